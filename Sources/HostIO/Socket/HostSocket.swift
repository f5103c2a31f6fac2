package import CLinux
package import HostResources
import Synchronization
import SystemPackage

/// A connected socket that is read and written without ever waiting. Bytes that the other side has no room for are kept,
/// and written when there is.
package final class HostSocket: Sendable {
    package enum Outcome: Equatable, Sendable {
        case bytes(Int)
        case nothing
        /// The other side sends no more.
        case end
    }

    private struct State: ~Copyable {
        var socket: OwnedFileDescriptor?
        var registration: EventLoop.Registration?
        var changed: (@Sendable () -> Void)?
        var kept: ByteQueue
        var isReading = false
        var hasInputEnded = false
        /// No more is to be written than what is kept.
        var mustEndOutput = false
        var isOutputGone = false
    }

    private let loop: EventLoop
    private let state: Mutex<State>

    /// - Parameters:
    ///   - socket: a connected stream socket, non-blocking.
    ///   - limit: bytes kept at most, a power of two from 4096.
    ///   - loop: waits for the socket.
    package init(_ socket: consuming OwnedFileDescriptor, keepingAtMost limit: Int, loop: EventLoop) {
        self.loop = loop
        state = Mutex(State(socket: consume socket, kept: ByteQueue(limit: limit)))
    }

    /// One of two connected sockets.
    /// - Parameter other: becomes the other one, which waits as sockets do.
    package convenience init(
        pairedWith other: inout OwnedFileDescriptor?, keepingAtMost limit: Int, loop: EventLoop
    ) throws(HostError) {
        var ends: InlineArray<2, Int32> = [-1, -1]
        var span = ends.mutableSpan
        // SAFETY: room for two descriptors.
        let result = unsafe span.withUnsafeMutableBufferPointer { unsafe caisson_socket_pair($0.baseAddress) }
        guard result == 0 else { throw HostError("create", "a pair of sockets", Errno(rawValue: -result)) }
        other = OwnedFileDescriptor(owning: ends[1])
        self.init(OwnedFileDescriptor(owning: ends[0]), keepingAtMost: limit, loop: loop)
    }

    deinit { close() }

    /// Has `changed` called on the loop whenever there is something to read after `setReading(true)`, less is kept, or the
    /// other side has gone.
    package func start(changed: @escaping @Sendable () -> Void) throws(HostError) {
        try state.withLock { state throws(HostError) in
            guard let raw = state.socket?.rawValue else { return }
            state.changed = changed
            state.registration = try loop.register(raw, for: []) { [weak self] in self?.becameReady($0) }
            updateInterest(&state)
        }
    }

    /// Fills `segments` from their front.
    package func read(into segments: UnsafeBufferPointer<iovec>) -> Outcome {
        state.withLock { state in
            guard let raw = state.socket?.rawValue, !state.hasInputEnded else { return .end }
            // SAFETY: the caller's segments, whose memory stays in place during the call.
            let count = Self.retrying { unsafe caisson_read_segments(raw, segments.baseAddress, Int32(segments.count)) }
            if count > 0 { return .bytes(Int(count)) }
            if count == -Int64(EAGAIN) { return .nothing }
            state.hasInputEnded = true
            if count < 0 || caisson_poll(raw, 0, 0) > 0 { outputIsGone(&state) }
            updateInterest(&state)
            return .end
        }
    }

    /// Writes `segments`, and keeps what the other side has no room for, which has to fit.
    package func write(_ segments: UnsafeBufferPointer<iovec>, byteCount: Int) {
        state.withLock { state in
            guard let raw = state.socket?.rawValue, !state.isOutputGone else { return }
            var sent = 0
            if state.kept.isEmpty {
                // SAFETY: the caller's segments, whose memory stays in place during the call.
                let count = Self.retrying {
                    unsafe caisson_send_segments(raw, segments.baseAddress, Int32(segments.count))
                }
                guard count >= 0 || count == -Int64(EAGAIN) else {
                    outputIsGone(&state)
                    return updateInterest(&state)
                }
                sent = max(0, Int(count))
            }
            guard sent < byteCount else { return }
            // SAFETY: as above.
            unsafe state.kept.append(segments, from: sent)
            updateInterest(&state)
        }
    }

    /// Writes a line of text to a socket that nothing else was written to, as far as there is room.
    package func writeLine(_ text: String) {
        state.withLock { $0.socket?.sendLine(text) }
    }

    /// Bytes kept.
    package var keptByteCount: Int { state.withLock { $0.kept.count } }

    /// Nobody reads what is written.
    package var isOutputGone: Bool { state.withLock { $0.isOutputGone } }

    /// Whether to tell when there is something to read.
    package func setReading(_ isReading: Bool) {
        state.withLock { state in
            guard state.isReading != isReading else { return }
            state.isReading = isReading
            updateInterest(&state)
        }
    }

    /// The other side sees the end, behind what is kept.
    package func endOutput() {
        state.withLock { state in
            state.mustEndOutput = true
            endOutputIfWritten(&state)
        }
    }

    /// Whoever writes at the other side finds that nobody reads.
    package func endInput() {
        state.withLock { state in
            if let raw = state.socket?.rawValue { _ = shutdown(raw, Int32(SHUT_RD)) }
        }
    }

    /// Closes the socket; what is kept is dropped.
    package func close() {
        // What the handler keeps alive may end with it: that is for after the lock.
        let handler = state.withLock { state in
            if let registration = state.registration.take() { loop.remove(registration) }
            _ = state.socket.take()
            outputIsGone(&state)
            return state.changed.take()
        }
        withExtendedLifetime(handler) {}
    }

    // MARK: With the lock held

    private func becameReady(_ readiness: EventLoop.Readiness) {
        let changed = state.withLock { state in
            flush(&state)
            // Told of a socket both of whose directions have ended.
            if !readiness.isDisjoint(with: [.hangUp, .error]) { outputIsGone(&state) }
            updateInterest(&state)
            return state.changed
        }
        changed?()
    }

    private func flush(_ state: inout State) {
        guard let raw = state.socket?.rawValue else { return }
        while !state.kept.isEmpty {
            var failure: Int64 = 0
            _ = state.kept.take(upTo: .max) { bytes in
                // SAFETY: the span's bytes.
                let count = unsafe bytes.withUnsafeBytes { bytes in
                    Self.retrying { unsafe caisson_send(raw, bytes.baseAddress, bytes.count) }
                }
                failure = min(0, count)
                return max(0, Int(count))
            }
            if failure == -Int64(EAGAIN) { return }
            if failure < 0 { return outputIsGone(&state) }
        }
        endOutputIfWritten(&state)
    }

    private func endOutputIfWritten(_ state: inout State) {
        guard state.mustEndOutput, state.kept.isEmpty, let raw = state.socket?.rawValue else { return }
        state.mustEndOutput = false
        _ = shutdown(raw, Int32(SHUT_WR))
    }

    private func outputIsGone(_ state: inout State) {
        state.isOutputGone = true
        state.kept.removeAll()
    }

    private func updateInterest(_ state: inout State) {
        guard let registration = state.registration else { return }
        var interest: EventLoop.Readiness = []
        if state.isReading, !state.hasInputEnded { interest.insert(.readable) }
        if !state.kept.isEmpty { interest.insert(.writable) }
        if state.hasInputEnded, !state.isOutputGone { interest.insert(.hangUp) }
        loop.setInterest(interest, of: registration)
    }

    private static func retrying(_ call: () -> Int64) -> Int64 {
        while true {
            let result = call()
            if result != -Int64(EINTR) { return result }
        }
    }
}
