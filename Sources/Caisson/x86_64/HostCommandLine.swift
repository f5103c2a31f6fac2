import SoftwareKVM

/// Words that a Linux guest needs because of its host.
enum HostCommandLine {
    /// Where kernel code is emulated, CPUID cannot hide what the emulator lacks, as KVM shows the host's own features again.
    /// Features go by number, 32 times the word plus the bit of Linux's cpufeatures.h, which is stable and shorter to
    /// look up than a name; the option is cut at 127 characters. `noxsave` is not among them: the kernel has to save all the
    /// registers that programs see, and XSAVE is completed for it.
    private static let emulating = [
        // RDRAND, RDSEED, POPCNT, ERMS, FSRM: the first three are missing, the others are slow.
        "clearcpuid=158,306,151,297,580",
        // Each saves the emulator a million instructions or two of patching and mapping.
        "noreplace-smp", "rodata=off", "percpu_alloc=page",
    ]

    static func words(for quirks: HostQuirks) -> [String] {
        quirks.contains(.kernelCodeIsEmulated) ? emulating : []
    }
}
