package import CLinux
import Synchronization

/// A machine's end of a stream of frames. It lasts while connections come and go; without one, frames get lost.
///
/// What concerns frames is called on the loop.
package final class FramePort: Sendable {
    private struct State {
        var stream: FrameStream?
        var registration: EventLoop.Registration?
        var interest: EventLoop.Readiness = []
        var ready: (@Sendable () -> Void)?
        var linkChanged: (@Sendable () -> Void)?
        var isStarted = false
    }

    /// A caller's segments, to be used under the lock.
    // SAFETY: one thread at a time sends and receives, and it waits for the lock.
    @safe private struct Segments: @unchecked Sendable {
        let all: UnsafeBufferPointer<iovec>
    }

    /// The bytes of zeroes before a received frame.
    private static let headerSize = 12

    private let source: any FrameSource
    private let loop: EventLoop
    private let report: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// - Parameter report: hears when a connection ends, in one line.
    package init(_ source: any FrameSource, loop: EventLoop, report: @escaping @Sendable (String) -> Void) {
        self.source = source
        self.loop = loop
        self.report = report
    }

    /// Looks for the other side, if it has not been looked for.
    package func start() {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        if isFirst { source.start(on: loop) { [weak self] in self?.connect($0) } }
    }

    package func stop() {
        source.stop()
        let (stream, registration) = state.withLock { state in
            defer {
                state.stream = nil
                state.registration = nil
            }
            return (state.stream, state.registration)
        }
        if let registration { loop.remove(registration) }
        withExtendedLifetime(stream) {}
    }

    /// Whether there is a connection.
    package var isConnected: Bool { state.withLock { $0.stream != nil } }

    /// Calls `changed` on the loop when `isConnected` changed.
    package func watchLink(_ changed: @escaping @Sendable () -> Void) { state.withLock { $0.linkChanged = changed } }

    /// Calls `ready` on the loop when what was waited for is there; nil calls nobody, and waits for nothing.
    package func setHandler(_ ready: (@Sendable () -> Void)?) {
        state.withLock { state in
            state.ready = ready
            if ready == nil { setInterest([], &state) }
        }
    }

    private func connect(_ socket: SharedFileDescriptor) {
        let changed = state.withLock { state -> (@Sendable () -> Void)? in
            guard
                let registration = try? loop.register(
                    socket.rawValue, for: state.interest, handler: { [weak self] _ in self?.becameReady() })
            else { return nil }
            state.stream = FrameStream(socket)
            state.registration = registration
            return state.linkChanged
        }
        changed?()
    }

    private func becameReady() { state.withLock { $0.ready }?() }

    private func setInterest(_ interest: EventLoop.Readiness, _ state: inout State) {
        guard interest != state.interest else { return }
        state.interest = interest
        if let registration = state.registration { loop.setInterest(interest, of: registration) }
    }

    // MARK: Frames

    /// Takes a frame, whose segments stay until `flush` returns; false where there is no room.
    package func send(_ frame: UnsafeBufferPointer<iovec>, byteCount: Int) -> Bool {
        // SAFETY: handed on, to be used until `flush` returns.
        let frame = unsafe Segments(all: frame)
        return state.withLock { unsafe $0.stream?.send(frame.all, byteCount: byteCount) ?? true }
    }

    package func flush() {
        state.withLock { state in
            state.stream?.flush()
            dropEnded(&state)
        }
    }

    /// Receives a frame into the segments, behind a header of zeroes.
    /// - Returns: the bytes of both, more than there is room for if the frame is lost; nil if there is none.
    package func receive(into segments: UnsafeBufferPointer<iovec>) -> Int? {
        // SAFETY: handed on, to be used during this call.
        let segments = unsafe Segments(all: segments)
        return state.withLock { state in
            let count = unsafe state.stream?.receive(into: segments.all, headerSize: Self.headerSize)
            dropEnded(&state)
            return count
        }
    }

    /// What to call the handler for.
    package func wait(forFrames: Bool, forRoom: Bool) {
        state.withLock { state in
            let isFull = forRoom || state.stream?.isFull == true
            setInterest(.init(readable: forFrames, writable: isFull), &state)
        }
    }

    private func dropEnded(_ state: inout State) {
        guard let ending = state.stream?.ending else { return }
        if let registration = state.registration { loop.remove(registration) }
        state.stream = nil
        state.registration = nil
        // Not within the caller's locks.
        loop.submit { [weak self] in self?.connectionEnded(ending) }
    }

    private func connectionEnded(_ ending: FrameStream.Ending) {
        let why =
            switch ending {
            case .closed: "the other end left"
            case .failed(let errno): "\(errno)"
            case .impossibleLength(let length): "the other end sent a frame of \(length) bytes, which none has"
            }
        report("\(source.name): \(why); the guest sees its link down until there is another")
        state.withLock { $0.linkChanged }?()
        source.connectionEnded()
    }
}
