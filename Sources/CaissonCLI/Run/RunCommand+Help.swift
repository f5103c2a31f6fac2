extension RunCommand {
    static let help = """
        SIZES AND TIMES:
          K, M, G and T are powers of 1024; MB and MiB are the same as M. Times are
          in ms, s, m, h and d; a number alone is seconds.

        KEYS, on a terminal:
          Ctrl-A x                stop the machine and quit
          Ctrl-A p                press the power button: ask the guest to shut down
          Ctrl-A c                pause the machine, or let it go on
          Ctrl-A -                take memory from the guest, an eighth at a time
          Ctrl-A +                give it back
          Ctrl-A m                show the guest's memory
          Ctrl-A i                show what the machine does in the next second
          Ctrl-A h                show these keys
          Ctrl-A Ctrl-A           send Ctrl-A to the guest

        EXIT STATUS:
          0                       the guest switched off, or somebody quit
          1                       Caisson or the host failed
          2                       the arguments make no sense
          3                       the guest's kernel crashed
          124                     --timeout was over
          128 + n                 signal n ended the machine
          with a command          its own; 125: Caisson or the guest failed first;
                                  126, 127: it cannot be executed, is not there
          2 n + 1                 with --debug-exit: the guest wrote n to port 0xf4

        ENVIRONMENT:
          CAISSON_GUEST           folder of the default guest's vmlinux and
                                  initramfs.cpio, in place of those below
          CAISSON_VMM             the machine's program, in place of caisson itself
          CAISSON_SPACE           a name that keeps these machines apart from others
          CAISSON_CACHE           in place of ~/.cache/caisson
          TERM                    passed to the default guest, as is the window's size

        FILES:
          <caisson's folder>/../share/caisson/guest, then ~/.cache/caisson/guest/default
                                  the default guest, as `guest-images/build` makes it

        EXAMPLES:
          A shell:
            caisson run
          A distribution's kernel and initramfs, half a gigabyte of RAM:
            caisson run --kernel /boot/vmlinuz --initrd /boot/initrd.img -m 512M
          A script into the guest's shell, its output into a file:
            echo 'uname -a; poweroff' | caisson run > log
          A test kernel that tells its result, for at most ten seconds:
            caisson run --kernel test.elf --debug-exit --timeout 10s --console none
          A command in a throwaway machine, from an image:
            caisson run debian -- make test
          A shell in one, on this terminal:
            caisson run -it ./debian.erofs -- bash
          Two words more for the kernel:
            caisson run --append 'loglevel=7 initcall_debug'
        """
}
