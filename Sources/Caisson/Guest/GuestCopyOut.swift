package import GuestAgent
package import HostIO
import Synchronization

/// A file or directory of the guest's on its way to the host: its agent packs it, as a command like any other.
package final class GuestCopyOut: CommandObserver {
    private struct State {
        var reader = PackReader()
        var receiver: Receiver
        var problem: String?
        /// What the agent complained of.
        var complaints: [UInt8] = []
        var channel: CommandChannel?
        var done: (@Sendable (String?) -> Void)?
    }

    private struct Receiver: PackReceiver {
        let files: ReceivedFiles

        func beginDirectory(_ name: [UInt8], _ attributes: PackedAttributes) throws(HostError) {
            try files.beginDirectory(FileName(name), .init(attributes))
        }
        func endDirectory() throws(HostError) { try files.endDirectory() }
        func beginFile(_ name: [UInt8], _ attributes: PackedAttributes) throws(HostError) {
            try files.beginFile(FileName(name), .init(attributes))
        }
        func write(_ bytes: Span<UInt8>, at offset: UInt64) throws(HostError) { try files.write(bytes, at: offset) }
        func endFile(size: UInt64) throws(HostError) { try files.endFile(size: size) }
        func link(_ name: [UInt8], to target: [UInt8], _ attributes: PackedAttributes) throws(HostError) {
            try files.link(FileName(name), to: target, .init(attributes))
        }
        func fifo(_ name: [UInt8], _ attributes: PackedAttributes) throws(HostError) {
            try files.fifo(FileName(name), .init(attributes))
        }
    }

    private static let mostComplaints = 4096

    private let source: String
    private let state: Mutex<State>

    /// - Parameters:
    ///   - source: an absolute path in the guest; a link that is named is followed.
    ///   - destination: a path on the host, as `ReceivedFiles` takes it.
    /// - Throws: where nothing could be made there.
    package init(from source: String, to destination: String) throws(HostError) {
        self.source = source
        state = Mutex(State(receiver: Receiver(files: try ReceivedFiles(at: destination))))
    }

    /// Begins, and calls `done` at the end: with what failed, or nil where the files are in their place.
    package func start(in machine: VirtualMachine, done: @escaping @Sendable (String?) -> Void) {
        state.withLock { $0.done = done }
        do throws(VirtualMachineError) {
            let channel = try machine.run(GuestCommand(["/proc/1/exe", "--pack", source]), observer: self)
            state.withLock { if $0.done != nil { $0.channel = channel } }
        } catch { finish(error.message) }
    }

    /// Takes no more, and leaves nothing of what has not come whole: a process that ends lets go of nothing by itself.
    package func abandon() {
        state.withLock { state in
            if state.problem == nil { state.problem = "it was interrupted" }
            state.receiver.files.discard()
        }
    }

    package func commandStarted(process: UInt32) {}
    package func commandTakesInput() {}
    package func commandClosed(_ stream: CommandStream) {}

    package func commandWrote(_ bytes: [UInt8], to stream: CommandStream) {
        let (channel, hasFailed) = state.withLock { state in
            take(bytes, from: stream, &state)
            return (state.channel, state.problem != nil)
        }
        channel?.consumed(bytes.count, of: stream)
        // Its end comes when it finds nobody to read.
        if hasFailed { channel?.close(.output) }
    }

    private func take(_ bytes: [UInt8], from stream: CommandStream, _ state: inout State) {
        guard stream == .output else {
            state.complaints += bytes.prefix(Self.mostComplaints - state.complaints.count)
            return
        }
        guard state.problem == nil else { return }
        do {
            try state.reader.receive(bytes.span, by: &state.receiver)
        } catch {
            state.problem =
                switch error {
                case .malformed: "the guest's agent sent what is no file"
                case .tooDeep: "it has more than \(PackReader.deepest) directories within each other"
                case .receiver(let error): "\(error)"
                }
        }
    }

    package func commandEnded(_ outcome: Result<CommandEnd, VirtualMachineError>) {
        let problem: String? = state.withLock { state in
            if let problem = state.problem { return problem }
            switch outcome {
            case .failure(let error): return error.message
            case .success(let end):
                guard end.status == .exited(0), state.reader.isWhole else {
                    let text = String(decoding: state.complaints, as: UTF8.self)
                    return text.split(separator: "\n").last.map(String.init)?.printable
                        ?? "\(source): the guest's agent could not read it"
                }
                do throws(HostError) { try state.receiver.files.finish() } catch { return "\(error)" }
                return nil
            }
        }
        if problem != nil { abandon() }
        finish(problem)
    }

    private func finish(_ problem: String?) {
        let done = state.withLock { state in
            state.channel = nil
            return state.done.take()
        }
        done?(problem)
    }
}

extension ReceivedFiles.Attributes {
    fileprivate init(_ attributes: PackedAttributes) {
        self.init(
            mode: attributes.mode, user: attributes.user, group: attributes.group,
            seconds: attributes.modified.seconds, nanoseconds: attributes.modified.nanoseconds)
    }
}
