#include "caisson_processor.h"

#if defined(__x86_64__)
#include <cpuid.h>

int caisson_processor_can_virtualize(void)
{
    const unsigned vmx = 1u << 5, svm = 1u << 2;
    unsigned a, b, c, d;

    // Every x86-64 processor has both leaves; asking whether it has costs another exit each in a virtual machine.
    __cpuid(1, a, b, c, d);
    if (c & vmx)
        return 1;
    __cpuid(0x80000001, a, b, c, d);
    return (c & svm) != 0;
}
#else
int caisson_processor_can_virtualize(void) { return 1; }
#endif
