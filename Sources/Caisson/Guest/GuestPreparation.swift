import GuestAgent

/// What a guest's agent does before its first command.
struct GuestPreparation {
    var setup: GuestSetup?
    var copies: [GuestCopy] = []

    init() {}

    init(_ configuration: VirtualMachineConfiguration) {
        setup = configuration.rootFileSystem?.setup(in: configuration)
        copies = configuration.copiedFiles.map { files in
            GuestCopy(
                device: GuestRootFileSystem.device(ofDisk: files.disk), name: files.name,
                destination: files.destination, isKept: setup?.layer != nil)
        }
    }
}

/// Files of the host's that are at a place of the guest's before its first command. The guest may change its own.
package struct CopiedFiles: Equatable, Sendable {
    /// Which of the machine's disks has them: an EROFS file system, with them as `content`.
    package var disk: Int
    /// What they are called on the host.
    package var name: String
    /// An absolute path; with a slash at its end, of the directory in which they go.
    package var destination: String

    package init(disk: Int, name: String, destination: String) {
        self.disk = disk
        self.name = name
        self.destination = destination
    }
}
