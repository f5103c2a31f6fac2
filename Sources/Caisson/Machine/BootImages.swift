import CLinux
import HostIO
import HostResources
import LinuxBoot
import SystemPackage

/// The files that a machine boots from, open as long as it may start again.
final class BootImages: Sendable {
    let kernel: FileBootImage
    let ramdisks: [FileBootImage]
    private let owners: [Owner]

    private final class Owner: Sendable {
        let descriptor: OwnedFileDescriptor
        init(_ descriptor: consuming OwnedFileDescriptor) { self.descriptor = descriptor }
    }

    /// - Throws: `cannotBoot`, naming the file.
    init(_ loader: LinuxBootLoader) throws(VirtualMachineError) {
        var owners: [Owner] = []
        kernel = try Self.open(loader.kernelImage, what: "kernel", &owners)
        var ramdisks: [FileBootImage] = []
        for image in loader.ramdiskImages { ramdisks.append(try Self.open(image, what: "initial ramdisk", &owners)) }
        self.ramdisks = ramdisks
        self.owners = owners
    }

    private static func open(
        _ image: LinuxBootLoader.Image, what: String, _ owners: inout [Owner]
    ) throws(VirtualMachineError) -> FileBootImage {
        let descriptor: Int32
        let name: String
        switch image {
        case .open(let open, let text):
            descriptor = open
            name = text
        case .path(let path):
            name = path.string
            do {
                let opened = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
                descriptor = opened.rawValue
                owners.append(Owner(OwnedFileDescriptor(owning: descriptor)))
            } catch {
                throw VirtualMachineError(.cannotBoot, "cannot open the \(what) \(name): \(error)")
            }
        }
        let status: Stat
        do { status = try FileDescriptor(rawValue: descriptor).stat() } catch {
            throw VirtualMachineError(.cannotBoot, "cannot examine the \(what) \(name): \(error)")
        }
        guard status.type == .regular else {
            let kind = status.type == .directory ? "a directory" : "no regular file"
            throw VirtualMachineError(.cannotBoot, "the \(what) \(name) is \(kind)")
        }
        return FileBootImage(descriptor: descriptor, size: UInt64(status.size), name: name)
    }
}
