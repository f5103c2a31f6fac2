import CLinux
import HostResources
import Synchronization
import SystemPackage

/// An open disk, locked against other machines.
package final class DiskImage: Sendable {
    /// What messages call it.
    package let name: String
    package let isReadOnly: Bool
    /// Bytes, a multiple of `blockSize`.
    package let byteCount: UInt64
    /// The unit of reads and writes.
    package let blockSize: UInt32
    /// What is written without reading around it first.
    package let physicalBlockSize: UInt32

    let file: any DiskFile
    private let failures: FailureReport

    /// Opens a file or a block device.
    ///
    /// - Parameters:
    ///   - isSnapshot: whether what is written is thrown away at the end; the image is only read.
    ///   - report: hears of failing operations, one line each, once for each kind; from any thread.
    package init(
        opening path: String, isReadOnly: Bool, cache: DiskCache, isSnapshot: Bool,
        report: @escaping @Sendable (String) -> Void
    ) throws(DiskError) {
        let isWritable = !isReadOnly && !isSnapshot
        // SAFETY: the path is read during the call.
        let opened = unsafe caisson_open_disk(path, isWritable ? 1 : 0, cache == .none ? 1 : 0)
        guard opened >= 0 else {
            if opened == -EINVAL, cache == .none { throw .noDirectIO(path: path) }
            throw .refused(HostError("open the disk", path, Errno(rawValue: -opened)), isWritable: isWritable)
        }
        let descriptor = OwnedFileDescriptor(owning: opened)
        let size = try DiskSize(of: descriptor.rawValue, path: path, isDirect: cache == .none)
        let locked = caisson_lock_disk(descriptor.rawValue, isWritable ? 1 : 0)
        // Some file systems know no locks; there is nobody to ask then.
        if locked == -EAGAIN || locked == -EACCES { throw .locked(path: path, isWritable: isWritable) }

        let image = RawFile(descriptor, cache: cache)
        file =
            isSnapshot
            ? Overlay(image: image, scratch: try Self.scratch(size.byteCount), byteCount: size.byteCount) : image
        name = "disk \(path)"
        self.isReadOnly = isReadOnly
        byteCount = size.byteCount
        blockSize = size.logical
        physicalBlockSize = size.physical
        failures = FailureReport(name: name, report)
    }

    /// Makes a disk of zeroes that ends with the machine.
    /// - Parameter byteCount: a multiple of 512.
    package init(
        scratch byteCount: UInt64, report: @escaping @Sendable (String) -> Void
    ) throws(DiskError) {
        precondition(byteCount > 0 && byteCount % 512 == 0)
        file = try Self.scratch(byteCount)
        name = "scratch disk"
        isReadOnly = false
        self.byteCount = byteCount
        blockSize = 512
        physicalBlockSize = 4096
        failures = FailureReport(name: name, report)
    }

    private static func scratch(_ byteCount: UInt64) throws(DiskError) -> RawFile {
        // Files in /tmp may be in memory.
        let directory = HostProcess.environment("TMPDIR") ?? "/var/tmp"
        // SAFETY: the path is read during the call.
        let opened = unsafe caisson_open_scratch(directory)
        guard opened >= 0 else { throw .noScratchFile(directory: directory, Errno(rawValue: -opened)) }
        let descriptor = OwnedFileDescriptor(owning: opened)
        guard ftruncate(descriptor.rawValue, off_t(byteCount)) == 0 else {
            throw .noScratchFile(directory: directory, .current)
        }
        return RawFile(descriptor, cache: .unsafe)
    }

    /// A way to the disk for one queue: by io_uring where the host allows it and the disk is one file.
    ///
    /// - Parameters:
    ///   - depth: the most operations at a time; their tags are below it.
    ///   - completed: called on the loop when operations have ended later than `submit` returned.
    package func makeLane(
        depth: UInt16, loop: EventLoop, completed: @escaping @Sendable () -> Void
    ) -> any DiskLane {
        if let raw = file as? RawFile,
            let lane = try? RingLane(raw, depth: depth, loop: loop, completed: completed)
        {
            return lane
        }
        return makeWaitingLane()
    }

    func makeWaitingLane() -> any DiskLane { WaitingLane(file) }

    /// Tells the user of a failure.
    package func report(_ failure: DiskFailure) { failures.add(failure) }
}

/// Tells of each kind of failure once: a broken disk fails a thousand times a second.
private final class FailureReport: Sendable {
    private struct Kind: Hashable {
        let operation: DiskFailure.Operation
        let reason: DiskFailure.Reason
    }

    private let name: String
    private let report: @Sendable (String) -> Void
    private let known = Mutex<Set<Kind>>([])

    init(name: String, _ report: @escaping @Sendable (String) -> Void) {
        self.name = name
        self.report = report
    }

    func add(_ failure: DiskFailure) {
        let kind = Kind(operation: failure.operation, reason: failure.reason)
        guard known.withLock({ $0.insert(kind).inserted }) else { return }
        report("\(name): \(failure); the guest sees an I/O error")
    }
}

/// The size of a disk and its blocks.
private struct DiskSize {
    var byteCount: UInt64 = 0
    var logical: UInt32 = 512
    var physical: UInt32 = 4096

    init(of descriptor: Int32, path: String, isDirect: Bool) throws(DiskError) {
        let status: Stat
        do { status = try FileDescriptor(rawValue: descriptor).stat() } catch {
            throw .refused(HostError("examine the disk", path, error), isWritable: false)
        }
        switch status.type {
        case .regular:
            byteCount = UInt64(status.size)
            if isDirect { logical = Self.directBlockSize(of: descriptor) }
        case .blockSpecial:
            // SAFETY: the three are the caller's own.
            let result = unsafe caisson_block_device_geometry(descriptor, &byteCount, &logical, &physical)
            guard result == 0 else {
                throw .refused(HostError("examine the disk", path, Errno(rawValue: -result)), isWritable: false)
            }
        default: throw .wrongKind(path: path, isDirectory: status.type == .directory)
        }
        physical = max(physical, logical)
        guard byteCount > 0 else { throw .empty(path: path) }
        guard byteCount % UInt64(logical) == 0 else {
            throw .partialBlock(path: path, byteCount: byteCount, blockSize: logical)
        }
    }

    /// The smallest block that the file's device reads past the cache.
    private static func directBlockSize(of descriptor: Int32) -> UInt32 {
        // SAFETY: freed at the end; one segment of its bytes.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        var segment = unsafe iovec(iov_base: buffer.baseAddress, iov_len: 512)
        return unsafe caisson_readv(descriptor, &segment, 1, 0) == -Int64(EINVAL) ? 4096 : 512
    }
}
