import CLinux
import CURing
import SystemPackage

/// A lane on io_uring: operations go on in the kernel, and their buffers are the guest's.
@safe final class RingLane: DiskLane {
    /// What is known of an operation in flight.
    @safe private struct Operation {
        var kind = DiskFailure.Operation.flush
        var segments: UnsafeBufferPointer<iovec>?
        var offset: UInt64 = 0
        var byteCount: UInt64 = 0
        var isDurable = false
        var mayDiscard = false
    }

    private let file: RawFile
    private let ring: OpaquePointer
    private let event: HostEvent
    private let loop: EventLoop
    private let registration: EventLoop.Registration
    private var operations: [Operation]
    /// Tags of operations that the kernel is not needed for.
    private var ended: [UInt16] = []
    private var unsubmittedCount: Int32 = 0
    private var inFlightCount = 0

    /// - Parameter completed: called on the loop when operations have ended.
    /// - Throws: where the host refuses io_uring.
    init(
        _ file: RawFile, depth: UInt16, loop: EventLoop, completed: @escaping @Sendable () -> Void
    ) throws(HostError) {
        let event = try HostEvent()
        var ring: OpaquePointer?
        // SAFETY: stores a ring where it returns 0; the event stays open as long as it.
        let result = unsafe caisson_ring_create(UInt32(depth), event.descriptor, &ring)
        guard result == 0, let ring = unsafe ring else {
            throw HostError("create", "an io_uring", Errno(rawValue: -result))
        }
        do {
            registration = try loop.register(event.descriptor, for: .readable) { _ in
                event.clear()
                completed()
            }
        } catch {
            unsafe caisson_ring_destroy(ring)
            throw error
        }
        self.file = file
        unsafe self.ring = unsafe ring
        self.event = event
        self.loop = loop
        operations = [Operation](repeating: Operation(), count: Int(depth))
    }

    deinit {
        loop.remove(registration)
        while inFlightCount > 0 {
            if nextCompletion() == nil { wait() }
        }
        // SAFETY: nothing is in flight, and nobody uses the ring after its lane.
        unsafe caisson_ring_destroy(ring)
    }

    // MARK: Starting

    // SAFETY: here and below, the lane's ring, which has an entry for each tag; the segments stay until the operation has
    // ended.

    func read(into segments: UnsafeBufferPointer<iovec>, byteCount: UInt64, at offset: UInt64, tag: UInt16) {
        begin(tag, unsafe Operation(kind: .read, segments: segments, offset: offset, byteCount: byteCount))
        unsafe caisson_ring_readv(
            ring, file.descriptor, segments.baseAddress, UInt32(segments.count), offset, UInt64(tag))
    }

    func write(
        _ segments: UnsafeBufferPointer<iovec>, byteCount: UInt64, at offset: UInt64, isDurable: Bool, tag: UInt16
    ) {
        let isDurable = isDurable && file.cache != .unsafe
        begin(
            tag,
            unsafe Operation(
                kind: .write, segments: segments, offset: offset, byteCount: byteCount, isDurable: isDurable))
        unsafe caisson_ring_writev(
            ring, file.descriptor, segments.baseAddress, UInt32(segments.count), offset, isDurable ? 1 : 0, UInt64(tag))
    }

    func flush(tag: UInt16) {
        guard file.cache != .unsafe else { return ended.append(tag) }
        unsafe begin(tag, Operation(kind: .flush))
        unsafe caisson_ring_sync_data(ring, file.descriptor, UInt64(tag))
    }

    func discard(at offset: UInt64, byteCount: UInt64, tag: UInt16) {
        unsafe begin(tag, Operation(kind: .discard, offset: offset, byteCount: byteCount))
        unsafe caisson_ring_allocate(
            ring, file.descriptor, caisson_punch_hole_mode, offset, byteCount, UInt64(tag))
    }

    func writeZeroes(at offset: UInt64, byteCount: UInt64, mayDiscard: Bool, isDurable: Bool, tag: UInt16) {
        unsafe begin(
            tag,
            Operation(
                kind: .writeZeroes, offset: offset, byteCount: byteCount, isDurable: isDurable,
                mayDiscard: mayDiscard))
        let mode = mayDiscard ? caisson_punch_hole_mode : caisson_zero_range_mode
        unsafe caisson_ring_allocate(ring, file.descriptor, mode, offset, byteCount, UInt64(tag))
    }

    private func begin(_ tag: UInt16, _ operation: Operation) {
        operations[Int(tag)] = operation
        unsubmittedCount += 1
        inFlightCount += 1
    }

    func submit() {
        while unsubmittedCount > 0 {
            let result = unsafe caisson_ring_submit(ring)
            // A host short of memory refuses for a while; nothing is lost meanwhile.
            if result < 0 { usleep(100) } else { unsubmittedCount -= result }
        }
    }

    // MARK: Ending

    func nextCompletion() -> (tag: UInt16, failure: DiskFailure?)? {
        if let tag = ended.popLast() { return (tag, nil) }
        var tag: UInt64 = 0
        var result: Int32 = 0
        guard unsafe caisson_ring_next(ring, &tag, &result) == 1 else { return nil }
        inFlightCount -= 1
        return (UInt16(truncatingIfNeeded: tag), failure(of: operations[Int(tag)], result))
    }

    func wait() {
        // A signal may end it early.
        if inFlightCount > 0 { _ = unsafe caisson_ring_wait(ring) }
    }

    /// What became of an operation. One that stopped half-way is brought to its end here: that is rare.
    private func failure(of operation: Operation, _ result: Int32) -> DiskFailure? {
        let isTemporary = result == -EINTR || result == -EAGAIN
        switch operation.kind {
        case .read, .write:
            if result >= 0, UInt64(result) == operation.byteCount { return nil }
            let isMisaligned = result == -EINVAL && file.cache == .none
            guard result >= 0 || isTemporary || isMisaligned, let segments = unsafe operation.segments else { break }
            return unsafe file.transfer(
                segments, at: operation.offset, operation.kind, isDurable: operation.isDurable,
                after: max(0, Int(result)))
        case .flush:
            if isTemporary { return file.flush() }
        case .discard:
            if isTemporary || result == -EOPNOTSUPP {
                return file.discard(at: operation.offset, byteCount: operation.byteCount)
            }
        case .writeZeroes:
            var failure: DiskFailure?
            if isTemporary || result == -EOPNOTSUPP {
                failure = file.writeZeroes(
                    at: operation.offset, byteCount: operation.byteCount, mayDiscard: operation.mayDiscard)
            } else if result < 0 {
                break
            }
            // Rare: a driver that writes zeroes but cannot flush.
            return failure ?? (operation.isDurable ? file.flush() : nil)
        }
        return result < 0 ? DiskFailure(operation.kind, at: operation.offset, result: Int(result)) : nil
    }
}
