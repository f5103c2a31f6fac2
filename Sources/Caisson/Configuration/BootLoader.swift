import LinuxBoot
public import SystemPackage

/// What starts in a virtual machine. `LinuxBootLoader` is the one there is.
public protocol BootLoader: Sendable {}

/// Starts a kernel directly, without firmware: Linux as `vmlinux` or bzImage, and ELF kernels with multiboot or PVH.
public struct LinuxBootLoader: BootLoader, Equatable {
    /// Where an image comes from.
    package enum Image: Equatable, Sendable {
        case path(FilePath)
        /// A descriptor that stays open as long as the machine is used; the name is for messages.
        case open(descriptor: Int32, name: String)
    }

    package var kernelImage: Image
    package var ramdiskImages: [Image] = []

    /// Words for the kernel's command line; each replaces the default of the same key.
    public var commandLine: String
    /// Whether the words follow the defaults (the console, what to do on a panic, what the host asks for) or stand
    /// alone.
    public var usesDefaultCommandLine = true

    /// - Parameters:
    ///   - kernel: a `vmlinux`, bzImage, multiboot or PVH kernel; its content decides.
    ///   - initialRamdisk: an initramfs for Linux, a module for a multiboot kernel.
    ///   - commandLine: words for the kernel.
    public init(kernel: FilePath, initialRamdisk: FilePath? = nil, commandLine: String = "") {
        kernelImage = .path(kernel)
        ramdiskImages = initialRamdisk.map { [.path($0)] } ?? []
        self.commandLine = commandLine
    }

    package init(kernel: Image, ramdisks: [Image] = [], commandLine: String = "") {
        kernelImage = kernel
        ramdiskImages = ramdisks
        self.commandLine = commandLine
    }

    /// Adds a ramdisk: Linux unpacks one behind the other, a multiboot kernel gets a module each.
    public mutating func addRamdisk(_ path: FilePath) { ramdiskImages.append(.path(path)) }
}
