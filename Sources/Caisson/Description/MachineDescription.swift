package import HostIO
package import Logging

/// One machine as `caisson` describes it to the process that runs it.
package struct MachineDescription: Equatable, Sendable {
    /// A file that is open already.
    package struct FileReference: Equatable, Sendable {
        /// Open for reading, and not closed by exec.
        package var descriptor: Int32
        /// What messages call the file: the path as the user wrote it.
        package var path: String

        package init(descriptor: Int32, path: String) {
            self.descriptor = descriptor
            self.path = path
        }
    }

    /// A file or directory of the guest's, by its absolute path, and where it goes on the host.
    package struct CopyOut: Equatable, Sendable {
        package var source: String
        package var destination: String

        package init(source: String, destination: String) {
            self.source = source
            self.destination = destination
        }
    }

    /// Words for the kernel.
    package enum CommandLine: Equatable, Sendable {
        /// Words after the defaults; each takes the place of a default with the same key.
        case extendingDefaults(by: String)
        /// The whole command line.
        case replacingDefaults(by: String)
    }

    /// A name for messages: `isName` holds.
    package var name: String
    package var kernel: FileReference
    /// In the order in which the guest gets them.
    package var ramdisks: [FileReference] = []
    package var commandLine = CommandLine.extendingDefaults(by: "")
    /// Bytes of RAM, in `memorySizes`, a multiple of `pageSize`.
    package var memorySize: UInt64
    /// Of whose pages `memorySize` is a multiple.
    package var memoryBacking = MemoryBackingMode.anonymous
    /// In `processorCounts`.
    package var processorCount = 1
    /// In `cpuQuotas`.
    package var cpuQuota: Int?
    /// The host's processor for each, or none.
    package var cpuAffinity: [Int] = []
    package var console = ConsoleSpecification.terminal
    /// Of a console device; none for a machine without one.
    package var consolePorts: [ConsolePortSpecification] = []
    /// In the order in which the guest finds them.
    package var disks: [DiskSpecification] = []
    /// In the order in which the guest finds them.
    package var networks: [NetworkSpecification] = []
    /// Bytes of memory that a balloon leaves to the guest, at most `memorySize`; nil for a machine without one.
    package var balloonTarget: UInt64?
    package var socket: SocketSpecification?
    /// Directories of the host's, of which number n has `shareTag(n)`.
    package var shares: [ShareSpecification] = []
    /// What people call the guest, as an image's name; nil for its kernel's file.
    package var guest: String?
    /// Whether the guest has Caisson's agent, which is reached by a socket device.
    package var hasAgent = false
    /// Of the first disk.
    package var rootFileSystem: GuestRootFileSystem?
    /// On the disks, for their places in the guest.
    package var copiedFiles: [CopiedFiles] = []
    /// Of the guest's, for the host once the command has ended.
    package var copiesOut: [CopyOut] = []
    /// What the machine is there for. A terminal's size is that of the process's own.
    package var command: GuestCommand?
    package var hardware = HardwareDescriptionMethod.automatic
    /// How long the machine may run, in `timeouts` and whole milliseconds.
    package var timeout: Duration?
    /// Whether the guest may end the machine with an exit status of its own, by a write to port 0xf4.
    package var debugExit = false
    /// Whether a guest that resets its machine starts again; otherwise the machine ends.
    package var restartsOnReset = true
    /// Where to record what the machine does.
    package var statisticsFile: String?
    /// The least important messages to show.
    package var logLevel = Logger.Level.warning

    package init(name: String, kernel: FileReference, memorySize: UInt64) {
        self.name = name
        self.kernel = kernel
        self.memorySize = memorySize
    }
}

extension MachineDescription {
    package static let pageSize: UInt64 = 4096
    /// What fits in x86-64's user address space; the host's memory is the limit in practice.
    package static let memorySizes: ClosedRange<UInt64> = pageSize...1 << 46
    /// What KVM can count; `KVM_CAP_MAX_VCPUS` is the limit in practice.
    package static let processorCounts = 1...4096
    /// Percent of one of the host's processors; the number of processors is the limit in practice.
    package static let cpuQuotas = 1...100 * processorCounts.upperBound
    package static let timeouts: ClosedRange<Duration> = .milliseconds(1) ... .seconds(365 * 24 * 60 * 60)
    /// What a guest finds a shared directory by.
    package static func shareTag(_ index: Int) -> String { "share\(index)" }
    /// Characters of a name.
    package static let longestName = 63

    /// Whether a machine can be called so: letters, digits, `_`, `.` and `-`, of which the last three do not begin it.
    package static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= longestName else { return false }
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        return isAlphanumeric(first) && text.utf8.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
    }
}
