import CLinux
import Synchronization
import SystemPackage

/// This process's own standard streams, joined with those of a command that runs elsewhere. Nothing waits, and what is kept is
/// bounded as a console's is.
package final class ProcessStreams: Sendable {
    package struct Handlers: Sendable {
        /// Takes standard input from the front, and returns how much it took; after less than all, `inputReady()` is awaited.
        package var deliver: @Sendable (Span<UInt8>) -> Int
        /// Standard input has ended; all of it was taken.
        package var inputEnded: @Sendable () -> Void
        /// After `write` took less than all of descriptor 1's or 2's, there is room again.
        package var outputReady: @Sendable (Int32) -> Void
        /// Nobody reads that descriptor any more.
        package var outputFailed: @Sendable (Int32) -> Void

        package init(
            deliver: @escaping @Sendable (Span<UInt8>) -> Int, inputEnded: @escaping @Sendable () -> Void,
            outputReady: @escaping @Sendable (Int32) -> Void, outputFailed: @escaping @Sendable (Int32) -> Void
        ) {
            self.deliver = deliver
            self.inputEnded = inputEnded
            self.outputReady = outputReady
            self.outputFailed = outputFailed
        }
    }

    private let input: InputPump
    private let outputs: [Int32: OutputQueue]
    private let terminal = Mutex<Terminal?>(nil)
    /// Called once standard input has ended and all of it was taken; nil before the end, and after the call.
    private let end = Mutex<(@Sendable () -> Void)?>(nil)

    /// - Parameter loop: serves the streams.
    package init(loop: EventLoop) throws(HostError) {
        caisson_ignore_broken_pipes()
        input = InputPump(loop: loop, hasEscapeKey: false)
        outputs = [1: try OutputQueue(loop: loop), 2: try OutputQueue(loop: loop)]
    }

    /// Joins the outputs. A closed one counts as absent.
    package func start(_ handlers: Handlers) throws(HostError) {
        for (descriptor, queue) in outputs {
            queue.setHandlers(
                .init(
                    ready: { handlers.outputReady(descriptor) }, failed: { _ in handlers.outputFailed(descriptor) }))
            if caisson_is_open(descriptor) == 1 { try queue.attach(HostStream(inherited: descriptor, .output)) }
        }
        input.setHandlers(
            .init(
                deliver: handlers.deliver, command: { _ in },
                ended: { [weak self] in
                    self?.end.withLock { $0 = handlers.inputEnded }
                    self?.tellEnd()
                }))
    }

    /// Reads standard input from now on, after putting it into raw mode if it is to be a terminal.
    package func startInput(asTerminal isTerminal: Bool) throws(HostError) {
        if isTerminal {
            try terminal.withLock { terminal throws(HostError) in terminal = try Terminal(raw: 0) }
        }
        try input.attach(HostStream(inherited: 0, .input))
    }

    /// Takes output from the front of `bytes` for descriptor 1 or 2, never waits, and returns how many bytes there was room for.
    package func write(_ bytes: Span<UInt8>, to descriptor: Int32) -> Int {
        outputs[descriptor]?.write(bytes) ?? bytes.count
    }

    /// The command takes input again.
    package func inputReady() {
        input.readerReady()
        tellEnd()
    }

    private func tellEnd() {
        guard input.isEmpty else { return }
        end.withLock { $0.take() }?()
    }

    /// Whether all that was taken is written out.
    package var isDrained: Bool { outputs.values.allSatisfy(\.isEmpty) }

    /// Lets go of the streams, and puts a terminal back as it was.
    package func stop() {
        input.detach()
        input.setHandlers(nil)
        for queue in outputs.values {
            queue.setHandlers(nil)
            queue.detach()
        }
        terminal.withLock { $0 = nil }
    }
}
