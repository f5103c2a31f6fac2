import Caisson
import GuestAgent
import HostIO
import HostResources
import Synchronization
import SystemPackage

/// The guest's command whose streams are this process's own, from the machine's start to the command's end.
final class CommandRun: CommandObserver {
    private struct State {
        var channel: CommandChannel?
        var status: ExitStatus?
        /// Why there is no end.
        var failure: String?
        /// Output that the streams had no room for yet.
        var kept: [CommandStream: [UInt8]] = [:]
        /// Signals to end that the command was sent.
        var endings = 0
        var hasStarted = false
    }

    /// How often a command may ignore that it is to end.
    private static let patience = 3

    private let command: GuestCommand
    private let loop: EventLoop
    private let streams: ProcessStreams
    private let state = Mutex(State())
    /// Called at the command's end: with false where it was lost, or never started.
    private let ended: @Sendable (Bool) -> Void

    /// - Parameter loop: the caller's, which serves the streams.
    init(
        _ command: GuestCommand, on loop: EventLoop, ended: @escaping @Sendable (Bool) -> Void
    ) throws(VirtualMachineError) {
        self.command = command
        self.ended = ended
        self.loop = loop
        do throws(HostError) { streams = try ProcessStreams(loop: loop) } catch {
            throw VirtualMachineError(error)
        }
    }

    /// The machine has started: the command does as soon as the guest's agent is there.
    func start(in machine: VirtualMachine) throws(VirtualMachineError) {
        try startStreams()
        let channel = try machine.run(sized, observer: self)
        state.withLock { $0.channel = channel }
    }

    /// The agent of a guest that runs already is at the other end of `socket`.
    func start(on socket: consuming OwnedFileDescriptor) throws(VirtualMachineError) {
        try startStreams()
        let channel = try CommandChannel(sized, on: socket, loop: loop, observer: self)
        state.withLock { $0.channel = channel }
    }

    private var sized: GuestCommand {
        var command = command
        if command.terminal != nil { command.terminal = Self.windowSize ?? .init(rows: 24, columns: 80) }
        return command
    }

    private func startStreams() throws(VirtualMachineError) {
        let handlers = ProcessStreams.Handlers(
            deliver: { [weak self] in self?.channel?.write($0) ?? $0.count },
            inputEnded: { [weak self] in self?.channel?.close(.input) },
            outputReady: { [weak self] descriptor in self?.writeKept(descriptor) },
            outputFailed: { [weak self] descriptor in self?.outputFailed(descriptor) })
        do throws(HostError) { try streams.start(handlers) } catch {
            throw VirtualMachineError(error)
        }
    }

    private var channel: CommandChannel? { state.withLock { $0.channel } }

    private static var windowSize: GuestCommand.WindowSize? {
        guard let size = Terminal.size(of: 0) ?? Terminal.size(of: 1) else { return nil }
        return .init(rows: UInt16(clamping: size.rows), columns: UInt16(clamping: size.columns))
    }

    /// The status to exit with; nil while there is no end.
    var status: ExitStatus? { state.withLock { $0.status } }

    /// Why the command was lost.
    var failure: String? { state.withLock { $0.failure } }

    /// Takes a signal that the process got to the command; false where the process is to end instead.
    func forward(_ number: Int32, isEnding: Bool) -> Bool {
        guard let channel = state.withLock({ $0.status == nil && $0.hasStarted ? $0.channel : nil }) else {
            return false
        }
        if isEnding {
            let endings = state.withLock { state in
                state.endings += 1
                return state.endings
            }
            guard endings < Self.patience else { return false }
        }
        return channel.signal(UInt8(number))
    }

    /// The terminal has another size.
    func resize() {
        if let size = Self.windowSize { channel?.resize(size) }
    }

    /// Writes out what the command wrote, however long that takes, unless `isInterrupted`. The loop runs meanwhile.
    func finish(unless isInterrupted: () -> Bool) {
        loop.run(until: { isInterrupted() || isDrained })
        streams.stop()
    }

    private var isDrained: Bool { streams.isDrained && state.withLock { $0.kept.values.allSatisfy(\.isEmpty) } }

    // MARK: Output

    private func write(_ bytes: [UInt8], to stream: CommandStream) {
        state.withLock { state in
            var bytes = bytes
            if let kept = state.kept[stream], !kept.isEmpty { bytes = kept + bytes }
            write(&bytes, to: stream, &state)
        }
    }

    private func writeKept(_ descriptor: Int32) {
        guard let stream = CommandStream(rawValue: UInt8(descriptor)) else { return }
        state.withLock { state in
            guard var bytes = state.kept[stream], !bytes.isEmpty else { return }
            write(&bytes, to: stream, &state)
        }
    }

    private func write(_ bytes: inout [UInt8], to stream: CommandStream, _ state: inout State) {
        let count = streams.write(bytes.span, to: Int32(stream.rawValue))
        bytes.removeFirst(count)
        state.kept[stream] = bytes
        // At most a window's worth is ever kept.
        if count > 0 { state.channel?.consumed(count, of: stream) }
    }

    private func outputFailed(_ descriptor: Int32) {
        guard let stream = CommandStream(rawValue: UInt8(descriptor)) else { return }
        let channel = state.withLock { state in
            state.kept[stream] = []
            return state.channel
        }
        channel?.close(stream)
    }

    // MARK: CommandObserver

    func commandStarted(process: UInt32) {
        state.withLock { $0.hasStarted = true }
        guard command.hasStandardInput else { return }
        do throws(HostError) { try streams.startInput(asTerminal: command.terminal != nil) } catch {
            // Without input there is an end of it.
            Messages.say("the command gets no input: \(error)")
            channel?.close(.input)
        }
    }

    func commandWrote(_ bytes: [UInt8], to stream: CommandStream) { write(bytes, to: stream) }

    func commandClosed(_ stream: CommandStream) {}

    func commandTakesInput() { streams.inputReady() }

    func commandEnded(_ outcome: Result<CommandEnd, VirtualMachineError>) {
        let status: ExitStatus
        var failure: String?
        switch outcome {
        case .success(let end):
            switch end.status {
            case .exited(let code): status = .command(code)
            case .signaled(let number): status = .signal(Int32(number))
            }
        case .failure(let error):
            failure = error.message
            status =
                switch error.code {
                case .commandNotFound: .command(127)
                case .commandNotExecutable: .command(126)
                default: .commandLost
                }
        }
        state.withLock { state in
            state.status = status
            state.failure = failure
        }
        ended(failure == nil)
    }
}
