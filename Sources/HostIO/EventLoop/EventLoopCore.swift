import CLinux
import HostResources
import Synchronization
import SystemPackage

/// What an event loop and its thread share.
final class EventLoopCore: Sendable {
    typealias Readiness = EventLoop.Readiness

    private struct Entry {
        let id: UInt64
        let descriptor: Int32
        let handler: @Sendable (Readiness) -> Void
        var interest: Readiness = []
        /// The interest that epoll knows: none during a pause.
        var watched: Readiness = []
        /// epoll refuses it, as it does regular files.
        var isAlwaysReady = false
        /// It is always ready, and waited for.
        var isReady: Bool { isAlwaysReady && !watched.isDisjoint(with: [.readable, .writable]) }
        var pauseEnd: ContinuousClock.Instant?
    }

    private struct State {
        /// In the order of their numbers, which are given once.
        var entries: [Entry] = []
        var nextID: UInt64 = wakeID + 1
        /// Of the entries, those in a pause, and those that are ready.
        var pauseCount = 0
        var readyCount = 0
        var work: [@Sendable () -> Void] = []
        var isStopping = false

        func index(of id: UInt64) -> Int? {
            var (low, high) = (0, entries.count)
            while low < high {
                let middle = (low + high) / 2
                if entries[middle].id < id { low = middle + 1 } else { high = middle }
            }
            return low < entries.count && entries[low].id == id ? low : nil
        }
    }

    private static let wakeID: UInt64 = 0

    struct Thread {
        var own: HostThread?
        /// Whoever called `run(until:)`.
        var isCallers = false
        /// Somebody joins or detaches it.
        var isTakenOver = false
    }

    let thread = Mutex(Thread())
    private let epoll: OwnedFileDescriptor
    private let wake: HostEvent
    private let state = Mutex(State())

    init() throws(HostError) {
        let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw HostError("create", "an event loop", .current) }
        self.epoll = OwnedFileDescriptor(owning: epoll)
        wake = try HostEvent()
        let errno = control(EPOLL_CTL_ADD, wake.descriptor, .readable, Self.wakeID)
        guard errno == nil else { throw HostError("watch", "an eventfd", errno ?? .current) }
    }

    // MARK: From any thread

    func register(
        _ descriptor: Int32, for interest: Readiness, handler: @escaping @Sendable (Readiness) -> Void
    ) throws(HostError) -> EventLoop.Registration {
        let (id, errno) = state.withLock { state in
            let id = state.nextID
            state.nextID += 1
            state.entries.append(Entry(id: id, descriptor: descriptor, handler: handler))
            let errno = setInterest(interest, of: id, &state)
            if errno != nil { state.entries.removeLast() }
            return (id, errno)
        }
        if let errno { throw HostError("watch", "descriptor \(descriptor)", errno) }
        return EventLoop.Registration(id: id)
    }

    func setInterest(_ interest: Readiness, of registration: EventLoop.Registration) {
        check(state.withLock { setInterest(interest, of: registration.id, &$0) })
    }

    /// A registered descriptor is open and was accepted once; what is left is the kernel being out of memory.
    private func check(_ errno: Errno?) {
        precondition(errno == nil, "epoll_ctl failed: \(errno.map(String.init(describing:)) ?? "")")
    }

    func remove(_ registration: EventLoop.Registration) {
        // What the handler keeps alive may end with it, and call the loop: that is for after the lock.
        let entry = state.withLock { state in
            _ = setInterest([], of: registration.id, &state)
            guard let index = state.index(of: registration.id) else { return Entry?.none }
            if state.entries[index].pauseEnd != nil { state.pauseCount -= 1 }
            return state.entries.remove(at: index)
        }
        withExtendedLifetime(entry) {}
    }

    func pause(_ registration: EventLoop.Registration, for time: Duration) {
        let errno = state.withLock { state in
            guard let index = state.index(of: registration.id) else { return Errno?.none }
            if state.entries[index].pauseEnd == nil { state.pauseCount += 1 }
            state.entries[index].pauseEnd = .now + time
            return watch(index, &state)
        }
        check(errno)
        // The end may come before what the loop waits for.
        wakeUp()
    }

    func submit(_ work: @escaping @Sendable () -> Void) {
        let mustWake = state.withLock { state in
            state.work.append(work)
            return state.work.count == 1
        }
        if mustWake { wakeUp() }
    }

    func requestStop() {
        state.withLock { $0.isStopping = true }
        wakeUp()
    }

    private func setInterest(_ interest: Readiness, of id: UInt64, _ state: inout State) -> Errno? {
        guard let index = state.index(of: id) else { return nil }
        state.entries[index].interest = interest
        return watch(index, &state)
    }

    /// Has epoll wait for what an entry's descriptor is to be waited for now.
    private func watch(_ index: Int, _ state: inout State) -> Errno? {
        var entry = state.entries[index]
        let wasReady = entry.isReady
        let interest = entry.pauseEnd == nil ? entry.interest : []
        guard entry.watched != interest else { return nil }
        if !entry.isAlwaysReady {
            let operation =
                entry.watched.isEmpty ? EPOLL_CTL_ADD : interest.isEmpty ? EPOLL_CTL_DEL : EPOLL_CTL_MOD
            let errno = control(operation, entry.descriptor, interest, entry.id)
            // EPERM: the file's kind has no readiness to wait for.
            if let errno, errno != .notPermitted { return errno }
            entry.isAlwaysReady = errno == .notPermitted
        }
        entry.watched = interest
        state.entries[index] = entry
        switch (wasReady, entry.isReady) {
        case (false, true):
            state.readyCount += 1
            wakeUp()
        case (true, false): state.readyCount -= 1
        default: break
        }
        return nil
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ interest: Readiness, _ id: UInt64) -> Errno? {
        let result = caisson_watch(epoll.rawValue, operation, descriptor, interest.rawValue, id)
        return result == 0 ? nil : Errno(rawValue: -result)
    }

    private func wakeUp() { wake.signal() }

    // MARK: On the loop

    func run(until isDone: () -> Bool) {
        var events = InlineArray<32, caisson_event>(repeating: caisson_event())
        while !isDone() {
            let (isBusy, pauseEnd) = state.withLock { state in
                (
                    state.readyCount > 0 || state.isStopping,
                    state.pauseCount > 0 ? state.entries.compactMap(\.pauseEnd).min() : nil
                )
            }
            let count = wait(&events, timeout: isBusy ? 0 : Self.milliseconds(until: pauseEnd))
            if pauseEnd != nil { endPauses() }
            for index in 0..<count {
                if events[index].id == Self.wakeID {
                    wake.clear()
                } else {
                    call(events[index].id, Readiness(rawValue: events[index].events))
                }
            }
            if isBusy {
                for id in state.withLock({ $0.entries.filter(\.isReady).map(\.id) }) { call(id, nil) }
            }
            let (work, isStopping) = state.withLock { state in
                let work = state.work
                state.work = []
                return (work, state.isStopping)
            }
            for item in work { item() }
            if isStopping { return end() }
        }
    }

    /// epoll's timeout.
    private static func milliseconds(until end: ContinuousClock.Instant?) -> Int32 {
        guard let end else { return -1 }
        let (seconds, attoseconds) = ContinuousClock.now.duration(to: end).components
        // Rounded up; a longer pause ends after a further wait.
        return Int32(clamping: max(0, min(seconds, 3600) * 1000 + attoseconds / 1_000_000_000_000_000 + 1))
    }

    private func endPauses() {
        let errno = state.withLock { state in
            let now = ContinuousClock.now
            var first: Errno?
            for index in state.entries.indices {
                guard let end = state.entries[index].pauseEnd, end <= now else { continue }
                state.entries[index].pauseEnd = nil
                state.pauseCount -= 1
                first = watch(index, &state) ?? first
            }
            return first
        }
        check(errno)
    }

    private func wait(_ events: inout InlineArray<32, caisson_event>, timeout: Int32) -> Int {
        var storage = events.mutableSpan
        let count = unsafe storage.withUnsafeMutableBufferPointer { buffer in
            // SAFETY: the buffer has room for as many events as are asked for.
            unsafe caisson_wait(epoll.rawValue, buffer.baseAddress, Int32(buffer.count), timeout)
        }
        precondition(count >= 0 || count == -EINTR, "epoll_wait failed with errno \(-count)")
        return max(0, Int(count))
    }

    /// A descriptor removed meanwhile has no entry, and its event is void. Without `readiness` it is what was asked for.
    private func call(_ id: UInt64, _ readiness: Readiness?) {
        let found = state.withLock { state in
            state.index(of: id).map { (state.entries[$0].handler, readiness ?? state.entries[$0].interest) }
        }
        if let (handler, readiness) = found { handler(readiness) }
    }

    // Handlers keep their owners alive, so they go when the thread does.
    private func end() {
        while true {
            let (entries, work) = state.withLock { state in
                let rest = (state.entries, state.work)
                state.entries = []
                (state.pauseCount, state.readyCount) = (0, 0)
                state.work = []
                return rest
            }
            if entries.isEmpty, work.isEmpty { return }
            for item in work { item() }
        }
    }
}
