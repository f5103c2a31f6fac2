package import HostIO
public import SystemPackage

/// Where a disk's data is.
///
/// Conforming types are this library's own.
public protocol StorageDeviceAttachment: Sendable {}

/// How a disk uses the host's page cache.
public enum DiskImageCachingMode: Sendable {
    /// Through the cache; what the guest flushes is on stable storage.
    case writeback
    /// Past the cache, where the file system can; what the guest flushes is on stable storage.
    case none
    /// Through the cache, and flushes do nothing: fast, and the data is lost when the host fails.
    case unsafe
}

/// A raw disk image or a block device of the host's.
public struct DiskImageStorageDeviceAttachment: StorageDeviceAttachment, Equatable {
    /// The image or device. While it is attached no other machine can write to it.
    public var path: FilePath
    /// Whether the guest cannot write. Several machines can share such an image.
    public var isReadOnly: Bool
    /// Whether what the guest writes goes to a file that ends with the machine; the image is only read.
    public var discardsChanges = false
    /// How the host's page cache is used.
    public var cachingMode = DiskImageCachingMode.writeback

    /// A disk whose data is in the file or block device at `path`.
    public init(path: FilePath, readOnly: Bool = false) {
        self.path = path
        isReadOnly = readOnly
    }
}

/// A new disk of zeroes, which ends with the machine. The host gives it space as the guest writes.
public struct ScratchStorageDeviceAttachment: StorageDeviceAttachment, Equatable {
    /// Bytes, a multiple of 512.
    public var size: UInt64

    /// A disk of `size` bytes.
    public init(size: UInt64) { self.size = size }
}

/// A virtio block device: `vda`, `vdb` … to Linux, in the order of the configuration.
public struct VirtioBlockDeviceConfiguration: Sendable {
    /// Where the disk's data is.
    public var attachment: any StorageDeviceAttachment
    /// What tells the disk from others, as in `/dev/disk/by-id/virtio-…`: up to 20 printable ASCII characters.
    public var blockDeviceIdentifier = ""
    /// The most that the guest reads and writes a second; nothing in it is no limit.
    public var rateLimit = RateLimit()

    /// A disk with data in `attachment`.
    public init(attachment: any StorageDeviceAttachment) { self.attachment = attachment }
}

extension VirtioBlockDeviceConfiguration {
    /// What the disk is opened from; nil for an attachment that is none of Caisson's.
    var specification: DiskSpecification? {
        var specification: DiskSpecification
        switch attachment {
        case let image as DiskImageStorageDeviceAttachment:
            specification = DiskSpecification(.file(path: image.path.string))
            specification.isReadOnly = image.isReadOnly
            specification.isSnapshot = image.discardsChanges
            specification.cache =
                switch image.cachingMode {
                case .writeback: .writeback
                case .none: .none
                case .unsafe: .unsafe
                }
        case let scratch as ScratchStorageDeviceAttachment:
            specification = DiskSpecification(.scratch(byteCount: scratch.size))
        default: return nil
        }
        specification.serial = blockDeviceIdentifier
        specification.rate = rateLimit.specification
        return specification
    }

    /// - Throws: `invalidConfiguration`.
    func validate() throws(VirtualMachineError) {
        func invalid(_ message: String) -> VirtualMachineError { VirtualMachineError(.invalidConfiguration, message) }
        guard let specification else { throw invalid("a disk's attachment is none of Caisson's") }
        if case .scratch(let size) = specification.source, size == 0 || size % 512 != 0 {
            throw invalid("a disk of \(size) bytes: the size has to be a multiple of 512")
        }
        try rateLimit.validate()
        let serial = blockDeviceIdentifier
        guard serial.isEmpty || DiskSpecification.isSerial(serial) else {
            throw invalid(
                "'\(serial)' identifies no disk: use up to \(DiskSpecification.longestSerial) printable ASCII characters"
            )
        }
    }

    package init(_ specification: DiskSpecification) {
        switch specification.source {
        case .file(let path):
            var image = DiskImageStorageDeviceAttachment(path: FilePath(path), readOnly: specification.isReadOnly)
            image.discardsChanges = specification.isSnapshot
            image.cachingMode =
                switch specification.cache {
                case .writeback: .writeback
                case .none: .none
                case .unsafe: .unsafe
                }
            self.init(attachment: image)
        case .scratch(let byteCount): self.init(attachment: ScratchStorageDeviceAttachment(size: byteCount))
        }
        blockDeviceIdentifier = specification.serial
        rateLimit = RateLimit(specification.rate)
    }
}
