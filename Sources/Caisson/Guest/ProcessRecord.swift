import GuestAgent
import Synchronization

/// What is known of a command, for tasks that wait for more.
final class ProcessRecord: CommandObserver {
    typealias Outcome = Result<CommandEnd, VirtualMachineError>

    private struct Output {
        var chunks: [[UInt8]] = []
        var isOver = false
        var reader: CheckedContinuation<[UInt8]?, Never>?
    }

    private struct State {
        var channel: CommandChannel?
        var start: Result<UInt32, VirtualMachineError>?
        var outcome: Outcome?
        var outputs: [CommandStream: Output] = [.output: Output(), .errors: Output()]
        var startWaiter: CheckedContinuation<Result<UInt32, VirtualMachineError>, Never>?
        var endWaiters: [CheckedContinuation<Outcome, Never>] = []
        var writers: [CheckedContinuation<Void, Never>] = []
        /// Room came before anybody waited for it.
        var hasRoom = false
    }

    private let state = Mutex(State())

    /// The command's channel, which keeps this until its end.
    func setChannel(_ channel: CommandChannel) { state.withLock { $0.channel = channel } }

    private var channel: CommandChannel? { state.withLock { $0.channel } }

    func cancel() {
        let channel = state.withLock { $0.channel.take() }
        channel?.cancel()
        commandEnded(.failure(VirtualMachineError(.guestFailure, "nobody holds the process any more")))
    }

    func write(_ bytes: Span<UInt8>) -> Int {
        let channel = state.withLock { $0.outcome == nil ? $0.channel : nil }
        return channel?.write(bytes) ?? bytes.count
    }

    func close(_ stream: CommandStream) { channel?.close(stream) }
    func signal(_ number: UInt8) { _ = channel?.signal(number) }
    func resize(_ size: GuestCommand.WindowSize) { channel?.resize(size) }

    // MARK: Waiting

    func started() async -> Result<UInt32, VirtualMachineError> {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known = state.withLock { state in
                    if state.start == nil { state.startWaiter = continuation }
                    return state.start
                }
                if let known { continuation.resume(returning: known) }
                if Task.isCancelled { cancel() }
            }
        } onCancel: {
            cancel()
        }
    }

    func end() async -> Outcome {
        await withCheckedContinuation { continuation in
            let known = state.withLock { state in
                if state.outcome == nil { state.endWaiters.append(continuation) }
                return state.outcome
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    func waitForRoom() async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                defer { state.hasRoom = false }
                if state.hasRoom || state.outcome != nil { return true }
                state.writers.append(continuation)
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    func next(of stream: CommandStream) async -> [UInt8]? {
        let chunk = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (known, isKnown) = state.withLock { state in
                    take(stream, &state, orWait: continuation)
                }
                if isKnown { continuation.resume(returning: known) }
                if Task.isCancelled { endReading(stream) }
            }
        } onCancel: {
            endReading(stream)
        }
        if let chunk { channel?.consumed(chunk.count, of: stream) }
        return chunk
    }

    private func take(
        _ stream: CommandStream, _ state: inout State, orWait continuation: CheckedContinuation<[UInt8]?, Never>
    ) -> ([UInt8]?, Bool) {
        guard var output = state.outputs[stream] else { return (nil, true) }
        defer { state.outputs[stream] = output }
        if !output.chunks.isEmpty { return (output.chunks.removeFirst(), true) }
        if output.isOver { return (nil, true) }
        precondition(output.reader == nil, "a process's output has one reader at a time")
        output.reader = continuation
        return (nil, false)
    }

    private func endReading(_ stream: CommandStream) {
        let reader = state.withLock { $0.outputs[stream]?.reader.take() }
        reader?.resume(returning: nil)
    }

    // MARK: CommandObserver

    func commandStarted(process: UInt32) { settleStart(.success(process)) }

    private func settleStart(_ start: Result<UInt32, VirtualMachineError>) {
        let waiter = state.withLock { state in
            if state.start == nil { state.start = start }
            return state.startWaiter.take()
        }
        waiter?.resume(returning: start)
    }

    func commandWrote(_ bytes: [UInt8], to stream: CommandStream) {
        let reader = state.withLock { state in
            let reader = state.outputs[stream]?.reader.take()
            if reader == nil { state.outputs[stream]?.chunks.append(bytes) }
            return reader
        }
        reader?.resume(returning: bytes)
    }

    func commandClosed(_ stream: CommandStream) {
        if stream == .input { return commandTakesInput() }
        let reader = state.withLock { state in
            state.outputs[stream]?.isOver = true
            return state.outputs[stream]?.reader.take()
        }
        reader?.resume(returning: nil)
    }

    func commandTakesInput() {
        let writers = state.withLock { state in
            state.hasRoom = state.writers.isEmpty
            return exchange(&state.writers, with: [])
        }
        for writer in writers { writer.resume() }
    }

    func commandEnded(_ outcome: Outcome) {
        let waiters = state.withLock { state in
            if state.outcome == nil { state.outcome = outcome }
            return exchange(&state.endWaiters, with: [])
        }
        for waiter in waiters { waiter.resume(returning: outcome) }
        if case .failure(let error) = outcome { settleStart(.failure(error)) }
        commandTakesInput()
        commandClosed(.output)
        commandClosed(.errors)
    }
}
