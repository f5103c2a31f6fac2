package import GuestMemory

/// The device's side of a split virtqueue (virtio 1.2, section 2.7).
///
/// A device takes requests in batches, completes them in any order, and publishes what it completed:
///
///     while true {
///         queue.disableNotifications()
///         try queue.beginBatch()
///         while let request = try queue.pop() {
///             …
///             queue.complete(request, written: count)
///         }
///         if queue.publish() { … raise the interrupt … }
///         if !queue.enableNotifications() { break }   // or come back later, so that others get their turn
///     }
///
/// Whatever the driver writes, a call returns or throws; it never traps, nor touches anything but guest RAM. After it
/// threw, the queue gives no more requests. One thread at a time uses a queue.
package struct Virtqueue: ~Copyable {
    private let memory: GuestMemory
    private let rings: VirtqueueRings
    private let setup: VirtqueueState
    private var ledger: DescriptorLedger
    private var store: SegmentStore
    private var parked: ParkedRequests
    private let counters: QueueCounters

    /// The next entry of the available ring to take.
    private var nextAvailable: UInt16
    /// Where the batch ends: the driver's index as the device saw it last.
    private var batchEnd: UInt16
    /// The next entry of the used ring to fill.
    private var nextUsed: UInt16
    /// The index that the driver sees.
    private var publishedUsed: UInt16
    /// The driver broke the rules: no more requests come out.
    package private(set) var isBroken = false

    /// A queue as a driver set it up, or as it was saved.
    /// - Parameter counters: of what goes through the queue; nobody else's at the same time.
    /// - Throws: what `VirtqueueState.validate` does.
    package init(
        _ state: VirtqueueState, memory: GuestMemory, counters: QueueCounters = QueueCounters()
    ) throws(VirtqueueError) {
        rings = try VirtqueueRings(state, in: memory)
        self.memory = memory
        setup = state
        ledger = DescriptorLedger(size: state.size)
        store = SegmentStore(size: state.size)
        parked = ParkedRequests(size: state.size)
        self.counters = counters
        nextAvailable = state.nextAvailable
        batchEnd = state.nextAvailable
        nextUsed = state.nextUsed
        publishedUsed = state.nextUsed
    }

    /// Entries.
    package var size: UInt16 { rings.size }

    /// Requests taken and not completed.
    package var inFlightCount: Int { Int(nextAvailable &- nextUsed) }

    /// What to save; nil while a request is in flight or a completion is not published.
    package var state: VirtqueueState? {
        guard nextAvailable == nextUsed, nextUsed == publishedUsed else { return nil }
        var state = setup
        state.nextAvailable = nextAvailable
        state.nextUsed = nextUsed
        return state
    }

    // MARK: Taking requests

    /// Looks at the available ring's index, once: `pop` gives the requests up to it. The driver can add to a batch
    /// only until here, so a batch has at most `size` requests.
    ///
    /// - Returns: how many there are.
    /// - Throws: `indexJump`.
    @discardableResult
    package mutating func beginBatch() throws(VirtqueueError) -> Int {
        guard !isBroken else { return 0 }
        let index = rings.loadAvailableIndex()
        let count = index &- nextAvailable
        guard count <= size else {
            isBroken = true
            throw .indexJump(from: nextAvailable, to: index, size: size)
        }
        batchEnd = index
        return Int(count)
    }

    /// The batch's next request; nil at its end.
    /// - Throws: what is wrong with its chain (2.7.5, 2.7.6).
    package mutating func pop() throws(VirtqueueError) -> VirtqueueRequest? {
        guard nextAvailable != batchEnd, !isBroken else { return nil }
        do {
            let request = try collect(head: rings.availableHead(nextAvailable))
            nextAvailable &+= 1
            return request
        } catch {
            isBroken = true
            throw error
        }
    }

    @inline(__always)
    private mutating func collect(head: UInt16) throws(VirtqueueError) -> VirtqueueRequest {
        guard head < size else { throw .noSuchDescriptor(index: head, count: UInt32(size), head: head) }
        guard ledger.isFree(head) else { throw .headInFlight(head) }
        var chain = Chain(head: head, limit: size, store: store)
        var previous: UInt16?
        var index = head
        while true {
            guard index < size else { throw .noSuchDescriptor(index: index, count: UInt32(size), head: head) }
            guard ledger.isFree(index) else {
                throw ledger.chain(at: head, has: index)
                    ? .loop(index: index, head: head) : .descriptorInFlight(index: index, head: head)
            }
            ledger.claim(index, after: previous)
            let descriptor = rings.descriptor(index)
            if descriptor.isIndirect {
                guard setup.usesIndirectDescriptors else { throw .indirectNotNegotiated(index: index, head: head) }
                guard !descriptor.hasNext else { throw .indirectWithNext(index: index, head: head) }
                try chain.append(tableOf: descriptor, memory: memory, store: &store)
                break
            }
            try chain.append(descriptor, index: index, memory: memory, store: &store)
            guard descriptor.hasNext else { break }
            previous = index
            index = descriptor.next
        }
        return VirtqueueRequest(head: chain.head, RequestSegments(chain))
    }

    // MARK: Requests that wait

    /// Keeps a request until the host is done with it. It stays in flight, and its segments stay where they are.
    package mutating func park(_ request: consuming VirtqueueRequest) -> ParkedRequest { parked.park(request) }

    /// A parked request again; nil if it is not parked.
    package mutating func unpark(_ parked: ParkedRequest) -> VirtqueueRequest? { self.parked.unpark(parked) }

    /// Gives the request that was taken last back, with nothing done: it is the next to be taken.
    package mutating func putBack(_ request: consuming VirtqueueRequest) {
        precondition(inFlightCount > 0)
        nextAvailable &-= 1
        end(request)
    }

    // MARK: Completing requests

    /// Puts a request into the used ring. The driver sees it after `publish()`.
    ///
    /// - Parameters:
    ///   - request: one of this queue's.
    ///   - written: the bytes written from the start of its writable part, at most `writableBytes`, and the
    ///     status (2.7.8.2).
    package mutating func complete(_ request: consuming VirtqueueRequest, written: UInt32) {
        precondition(UInt64(written) <= request.parts.writableRoom, "more bytes than the request has room for")
        rings.storeUsed(nextUsed, head: request.head, length: written)
        nextUsed &+= 1
        counters.requests.add()
        counters.bytes.add(request.readableBytes + UInt64(written))
        end(request)
    }

    @inline(__always)
    private mutating func end(_ request: consuming VirtqueueRequest) {
        ledger.release(head: request.head)
        // SAFETY: the request ends here, and its segments with it.
        unsafe store.giveBack(request.parts.start, head: request.head)
    }

    /// Shows the driver all that was completed since the last call, by one store of the index.
    /// - Returns: whether the driver wants an interrupt for it (2.7.7, 2.7.10).
    package mutating func publish() -> Bool {
        guard nextUsed != publishedUsed else { return false }
        let published = nextUsed &- publishedUsed
        rings.storeUsedIndex(nextUsed)
        publishedUsed = nextUsed
        rings.orderStoreBeforeLoad()
        guard setup.usesEventIndex else { return !rings.driverWantsNoInterrupts() }
        // The entry of that index is among those just published.
        return nextUsed &- rings.usedEvent() &- 1 < published
    }

    // MARK: Notifications by the driver

    /// Asks the driver not to notify until `enableNotifications()`; it may do so nevertheless (2.7.10).
    package mutating func disableNotifications() {
        // With event indices it does not until the index that it was told last comes by.
        if !setup.usesEventIndex { rings.storeDeviceWantsNoNotifications(true) }
    }

    /// Asks the driver to notify of the next request that it makes available.
    /// - Returns: whether there are requests that it may not notify of: begin another batch.
    package mutating func enableNotifications() -> Bool {
        guard !isBroken else { return false }
        if setup.usesEventIndex {
            rings.storeAvailableEvent(nextAvailable)
        } else {
            rings.storeDeviceWantsNoNotifications(false)
        }
        rings.orderStoreBeforeLoad()
        return rings.loadAvailableIndex() != nextAvailable
    }

    /// How many blocks for long chains were ever needed at once.
    var segmentBlockCount: Int { store.blockCount }
}
