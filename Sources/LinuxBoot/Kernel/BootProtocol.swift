/// How a kernel is started.
package enum BootProtocol: String, Sendable, CaseIterable {
    /// The 64-bit boot protocol of Linux: `boot_params` in RSI. Also what other 64-bit ELF kernels get.
    case linux64 = "64-bit entry"
    /// The 32-bit boot protocol of Linux: `boot_params` in ESI.
    case linux32 = "32-bit entry"
    /// Xen's PVH: `hvm_start_info` in EBX.
    case pvh = "PVH"
    /// Multiboot 1: its information in EBX.
    case multiboot = "multiboot"
}

extension BootProtocol {
    /// Whether the kernel is told of a device tree: in Linux's `setup_data`.
    var handsOverDeviceTree: Bool { self == .linux64 || self == .linux32 }
}

extension BootProtocol: CustomStringConvertible {
    package var description: String { rawValue }
}

/// What kind of file a kernel was found in.
package enum KernelFormat: Equatable, Sendable {
    case elf64
    case elf32
    /// A raw image whose multiboot header says where it goes.
    case multibootImage
    /// The payload's compression.
    case bzImage(compression: String)
}

extension KernelFormat: CustomStringConvertible {
    package var description: String {
        switch self {
        case .elf64: "ELF64"
        case .elf32: "ELF32"
        case .multibootImage: "multiboot image"
        case .bzImage(let compression): "bzImage (\(compression))"
        }
    }
}
