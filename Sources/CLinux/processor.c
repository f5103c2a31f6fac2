#include "caisson_processor.h"

#if defined(__x86_64__)
#include <cpuid.h>

int caisson_processor_can_virtualize(void)
{
    const unsigned vmx = 1u << 5, svm = 1u << 2;
    unsigned a, b, c, d;

    if (__get_cpuid(1, &a, &b, &c, &d) && (c & vmx))
        return 1;
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & svm);
}
#else
int caisson_processor_can_virtualize(void) { return 1; }
#endif
