/// The setup header of a bzImage (Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
struct SetupHeader: Equatable {
    /// From 0x1f1 up to the header's end, as the zero page repeats them.
    let bytes: [UInt8]
    /// `cmdline_size`: the longest command line, without its NUL.
    let commandLineLimit: Int
    /// One more than `initrd_addr_max`.
    let ramdiskLimit: UInt64
}
