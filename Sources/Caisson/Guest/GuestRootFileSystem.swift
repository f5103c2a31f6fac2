import GuestAgent
import HostIO

/// What a guest's agent makes its root file system of: the machine's first disk, which stays as it is, under a layer that takes
/// all that is written, in the guest's memory, where it ends with the machine, or on another disk. The boot loader's ramdisk is
/// the agent's own: docs/agent.md.
public struct GuestRootFileSystem: Sendable, Equatable {
    /// The file system's type, as in `erofs`, `squashfs` or `ext4`: one that the guest's kernel knows.
    public var type: String
    /// The number of the disk's partition, from 1; nil for the whole disk.
    public var partition: Int?
    /// Which of the machine's disks, by its index in `VirtualMachineConfiguration.storageDevices`, has an ext4 file system that
    /// keeps what is written; nil for the guest's memory. It belongs to this root file system alone.
    public var layerDisk: Int?

    /// The file system of the whole disk.
    public init(type: String) { self.type = type }
}

extension GuestRootFileSystem {
    package static let partitions = 1...128

    /// Whether a file system's type can be called so.
    package static func isType(_ text: String) -> Bool {
        (1...31).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// - Throws: `invalidConfiguration`.
    func validate(in configuration: VirtualMachineConfiguration) throws(VirtualMachineError) {
        func invalid(_ message: String) -> VirtualMachineError { VirtualMachineError(.invalidConfiguration, message) }
        guard Self.isType(type) else { throw invalid("'\(type)' is no type of a file system, as in erofs or ext4") }
        if let partition, !Self.partitions.contains(partition) {
            throw invalid("a root file system on partition \(partition): they are numbered from 1 to 128")
        }
        if let layerDisk, layerDisk == 0 || !configuration.storageDevices.indices.contains(layerDisk) {
            throw invalid("a layer on disk \(layerDisk): it is on one of the machine's, and not on the first")
        }
        guard !configuration.storageDevices.isEmpty, !configuration.socketDevices.isEmpty else {
            throw invalid("a machine with a root file system has a disk with it, and a socket device for the agent")
        }
    }

    /// What Linux calls a disk; a machine has fewer than there are letters.
    static func device(ofDisk index: Int) -> String {
        "/dev/vd" + String(UnicodeScalar(UInt8(ascii: "a") + UInt8(clamping: index)))
    }

    /// What the agent is told.
    func setup(in configuration: VirtualMachineConfiguration) -> GuestSetup {
        // ext4's journal cannot be played on a disk that is only read.
        let options = type == "ext4" || type == "ext3" ? "noload" : ""
        let name = MachineDescription.isName(configuration.name) ? configuration.name : "machine"
        var setup = GuestSetup(
            device: Self.device(ofDisk: 0) + (partition.map(String.init) ?? ""), type: type, options: options,
            hostName: name)
        setup.layer = layerDisk.map(Self.device)
        let (seconds, nanoseconds) = HostClock.timeOfDay.quotientAndRemainder(dividingBy: 1_000_000_000)
        setup.time = .init(seconds: seconds, nanoseconds: UInt32(nanoseconds))
        if case .user? = configuration.networkDevices.first?.specification?.attachment { setup.network = .user }
        return setup
    }
}

extension GuestSetup.Network {
    /// The user network, as its DHCP server would tell: docs/network.md.
    fileprivate static let user = Self(
        address: 0x0a00_020f, gateway: 0x0a00_0202, nameServer: 0x0a00_0203, prefixLength: 24)
}
