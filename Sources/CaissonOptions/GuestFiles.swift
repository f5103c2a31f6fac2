import Caisson
import HostIO
import SystemPackage

/// The files a guest boots from, open.
struct GuestFiles {
    let kernel: MachineDescription.FileReference
    let ramdisks: [MachineDescription.FileReference]

    private typealias File = MachineDescription.FileReference

    /// Without a kernel it is the default guest's; without ramdisks, its own go with that.
    /// - Parameter hasRoot: whether the agent is to be the ramdisk, for another root file system.
    init(kernel: String?, ramdisks: [String], hasRoot: Bool) throws(CommandError) {
        var opened: [File] = []
        if hasRoot {
            let path = try DefaultGuest.locate().agentRamdisk.string
            opened = [try Self.open(path, as: "the guest's agent")]
        }
        if let kernel {
            self.kernel = try Self.open(kernel, as: "kernel")
        } else {
            let guest = try DefaultGuest.locate()
            self.kernel = try Self.open(guest.kernel.string, as: "the default guest's kernel")
            if ramdisks.isEmpty, !hasRoot {
                opened = [try Self.open(guest.ramdisk.string, as: "the default guest's initramfs")]
            }
        }
        for path in ramdisks { opened.append(try Self.open(path, as: "initrd")) }
        self.ramdisks = opened
    }

    /// The descriptor stays open in the program that this process becomes.
    private static func open(_ path: String, as role: String) throws(CommandError) -> File {
        let file: FileDescriptor
        let type: FileType
        do {
            // A pipe without a writer must not make this wait.
            file = try FileDescriptor.open(FilePath(path), .readOnly, options: .nonBlocking)
            type = try file.stat().type
        } catch {
            throw .failure("\(role) \(path): \(problem(error as? Errno ?? .ioError))")
        }
        switch type {
        case .regular: return File(descriptor: file.rawValue, path: path)
        case .directory: throw .failure("\(role) \(path): is a directory; name a file in it")
        default: throw .failure("\(role) \(path): is no regular file; copy what it gives into one")
        }
    }

    static func problem(_ errno: Errno) -> String {
        switch errno {
        case .noSuchFileOrDirectory: "no such file"
        case .permissionDenied:
            "permission denied; make it readable (sudo chmod a+r), or copy it to where you may read it"
        default: "cannot be opened: \(errno)"
        }
    }
}
