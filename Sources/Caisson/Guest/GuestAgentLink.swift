import GuestAgent
import HostIO
import Synchronization

/// The way to the agent of a machine's guest. The agent connects when it is up; that connection is the first command's, and each
/// further one is made to where the agent listens.
final class GuestAgentLink: Sendable {
    /// Also told whether the connection is the guest's first.
    private typealias Handler = @Sendable (Result<VirtioSocketConnection, VirtualMachineError>, Bool) -> Void

    private struct State {
        var idle: VirtioSocketConnection?
        var hasConnected = false
        var waiting: [Handler] = []
        /// Why nobody will come.
        var isOver = true
        /// Serves the commands' connections, from the first one on.
        var loop: EventLoop?
    }

    private let device: VirtioSocketDevice
    private let state = Mutex(State())

    init(_ device: VirtioSocketDevice) {
        self.device = device
        device.setSocketListener(
            VirtioSocketListener(handler: { [weak self] in self?.connected($0) ?? false }), forPort: AgentProtocol.port)
    }

    /// The machine starts.
    func begin() {
        state.withLock { state in
            state.idle = nil
            state.hasConnected = false
            state.isOver = false
        }
    }

    /// The machine has stopped.
    func end() {
        let waiting = state.withLock { state in
            state.isOver = true
            state.idle = nil
            return exchange(&state.waiting, with: [])
        }
        for handler in waiting { handler(.failure(Self.over), false) }
    }

    private static var over: VirtualMachineError {
        VirtualMachineError(.invalidState, "the machine is not running: its guest runs no commands")
    }

    private func connected(_ connection: VirtioSocketConnection) -> Bool {
        let waiting = state.withLock { state in
            state.hasConnected = true
            if state.waiting.isEmpty { state.idle = connection }
            return exchange(&state.waiting, with: [])
        }
        waiting.first?(.success(connection), true)
        // It listened before it connected.
        for handler in waiting.dropFirst() { connect(handler) }
        return true
    }

    /// Runs a command as soon as there is an agent.
    func run(
        _ request: CommandRequest, preparation: GuestPreparation, observer: any CommandObserver
    ) throws(VirtualMachineError) -> CommandChannel {
        let channel = CommandChannel(request, preparation: preparation, loop: try loop(), observer: observer)
        // Whoever runs the command lets go of it by letting go of the channel.
        connect { [weak channel] result, isFirst in
            switch result {
            case .success(let connection): channel?.connect(connection, isFirst: isFirst)
            case .failure(let error): channel?.fail(error.message)
            }
        }
        return channel
    }

    private func loop() throws(VirtualMachineError) -> EventLoop {
        do throws(HostError) {
            return try state.withLock { state throws(HostError) in
                if let loop = state.loop { return loop }
                let loop = try EventLoop(name: "caisson-agent")
                state.loop = loop
                return loop
            }
        } catch { throw VirtualMachineError(error) }
    }

    private func connect(_ handler: @escaping Handler) {
        enum Way {
            case now(Result<VirtioSocketConnection, VirtualMachineError>, isFirst: Bool)
            case byPort
            case later
        }
        let way = state.withLock { state in
            if state.isOver { return Way.now(.failure(Self.over), isFirst: false) }
            if let idle = state.idle.take() { return .now(.success(idle), isFirst: true) }
            if state.hasConnected { return .byPort }
            state.waiting.append(handler)
            return .later
        }
        switch way {
        case .later: break
        case .now(let result, let isFirst): handler(result, isFirst)
        case .byPort:
            Task { [device] in
                do throws(VirtualMachineError) {
                    handler(.success(try await device.connect(toPort: AgentProtocol.port)), false)
                } catch { handler(.failure(error), false) }
            }
        }
    }
}
