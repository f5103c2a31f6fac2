// A plain process that writes one byte: the floor below which no machine starts.
#include <unistd.h>

int main(void)
{
    if (write(STDOUT_FILENO, "A", 1) != 1)
        return 1;
    pause();
    return 0;
}
