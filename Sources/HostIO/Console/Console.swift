import CLinux
import SystemPackage

/// A guest's console on the host: where output goes and input comes from.
///
/// Output never waits and never grows: 64 KiB are kept for a terminal, pipe, file or client that is slow, and then
/// `write` takes nothing until there is room. With no client at a pseudo-terminal or socket, output is thrown away.
/// Input waits on the host until the guest takes it.
package final class Console: Sendable {
    /// What the console tells its machine; called on the event loop.
    package enum Event: Sendable, Equatable {
        /// Ctrl-A x.
        case quit
        /// Ctrl-A p.
        case powerButton
        /// Ctrl-A c.
        case togglePause
        /// Ctrl-A -, Ctrl-A +, Ctrl-A m.
        case lessMemory, moreMemory, showMemory
        /// Ctrl-A i.
        case showStatistics
        /// Standard input ended. The machine goes on.
        case inputEnded
        /// Output cannot be written and is thrown away from now on.
        case outputFailed(HostError)
    }

    /// Where a client finds the console: a pseudo-terminal's device or a socket.
    package let path: String?

    private let queues: ConsoleQueues
    private let reporter = ConsoleReporter()
    private let side: (any ConsoleSide)?

    /// Opens the console. A terminal goes into raw mode with `start`, and back with `close`.
    /// - Parameter loop: serves the console until `close`.
    /// - Throws: `HostError`.
    package init(
        _ specification: ConsoleSpecification, loop: EventLoop, standardInput: Int32 = 0, standardOutput: Int32 = 1
    ) throws(HostError) {
        caisson_ignore_broken_pipes()
        let isTerminal = specification == .terminal && isatty(standardInput) == 1
        let queues = ConsoleQueues(
            output: try OutputQueue(loop: loop), input: InputPump(loop: loop, hasEscapeKey: isTerminal))
        self.queues = queues
        switch specification {
        case .terminal:
            side = StandardStreams(queues, input: standardInput, output: standardOutput, reporter: reporter)
            path = nil
        case .file(let file):
            side = try FileSide(queues, path: file, reporter: reporter)
            path = nil
        case .pseudoterminal(let link):
            let pseudoterminal = try PseudoterminalSide(queues, link: link, loop: loop)
            side = pseudoterminal
            path = pseudoterminal.path
        case .socket(let socket):
            side = try SocketSide(queues, path: socket, loop: loop)
            path = socket
        case .none:
            side = nil
            path = nil
        }
    }

    deinit { close(timeout: .zero) }

    /// Connects the guest's side and starts to read input.
    /// - Parameters:
    ///   - deliver: takes from the front of the bytes what the guest has room for and returns how many that were;
    ///     after fewer than all, `inputReady()` is awaited. Called on the event loop, or inside `inputReady()`.
    ///   - outputReady: after `write` took fewer bytes than offered, there is room again. Called on the event loop.
    ///   - event: called on the event loop.
    package func start(
        deliver: @escaping @Sendable (Span<UInt8>) -> Int, outputReady: @escaping @Sendable () -> Void,
        event: @escaping @Sendable (Event) -> Void
    ) throws(HostError) {
        reporter.setHandler(event)
        queues.output.setHandlers(
            .init(ready: outputReady, failed: { [weak side] errno in side?.outputFailed(errno) }))
        queues.input.setHandlers(
            .init(
                deliver: deliver, command: { [weak self] command in self?.perform(command) },
                ended: { [weak side] in side?.inputEnded() }))
        try side?.start()
    }

    /// Takes output from the front of `bytes`, never waits, and returns how many bytes there was room for.
    package func write(_ bytes: Span<UInt8>) -> Int { queues.output.write(bytes) }

    /// The guest takes input again.
    package func inputReady() { queues.input.readerReady() }

    /// Shows text of Caisson's own, in order with the guest's output, as far as there is room.
    package func show(_ text: String) {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\n") { bytes.append(UInt8(ascii: "\r")) }
            bytes.append(byte)
        }
        _ = queues.output.write(bytes.span)
    }

    /// Writes what is kept, for at most `timeout`, leaves raw mode, removes sockets and links, and lets go of the
    /// closures given to `start`. Not on the event loop, unless `timeout` is zero.
    package func close(timeout: Duration = .seconds(1)) {
        queues.input.detach()
        _ = queues.output.drain(timeout: timeout)
        side?.stop()
        queues.detach()
        queues.output.setHandlers(nil)
        queues.input.setHandlers(nil)
        reporter.setHandler(nil)
    }

    private func perform(_ command: EscapeKey.Command) {
        switch command {
        case .quit: reporter.report(.quit)
        case .powerButton: reporter.report(.powerButton)
        case .togglePause: reporter.report(.togglePause)
        case .lessMemory: reporter.report(.lessMemory)
        case .moreMemory: reporter.report(.moreMemory)
        case .showMemory: reporter.report(.showMemory)
        case .showStatistics: reporter.report(.showStatistics)
        case .help: show(EscapeKey.help)
        }
    }
}
