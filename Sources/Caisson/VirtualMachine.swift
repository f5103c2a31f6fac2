import CLinux
package import HostIO
import KVM
public import Logging
import Synchronization

/// A virtual machine: started, paused, resumed and stopped from any thread or task. It stops when nobody holds it.
///
///     let machine = try VirtualMachine(configuration: configuration)
///     try await machine.start()
///     let reason = try await machine.waitUntilStopped()
public final class VirtualMachine: Sendable {
    /// Where a machine is in its life.
    public enum State: String, Sendable {
        case stopped, starting, running, pausing, paused, resuming, stopping
        /// It stopped because something failed; `waitUntilStopped()` tells what.
        case error
    }

    /// Why a machine stopped although nothing failed.
    public enum StopReason: Equatable, Sendable {
        /// The guest switched off, or halted for good.
        case guestPoweredOff
        /// The guest reset the machine, and `restartsOnReset` is off.
        case guestReset
        /// The guest ended the machine with a status, through the debug-exit port.
        case guestExited(status: UInt8)
        case guestCrashed(GuestCrash)
        /// `stop()`.
        case stopped
        /// The console's quit command.
        case quitByConsole
    }

    typealias Outcome = Result<StopReason, VirtualMachineError>

    private struct Status {
        var state = State.stopped
        var outcome: Outcome?
        var waiting: [@Sendable (Outcome) -> Void] = []
    }

    /// What lasts from the start to the stop, over resets of the guest.
    struct Parts {
        var images: BootImages
        var loop: EventLoop
        var devices: HostDevices
        var console: ConsoleLine?
        var control: LineServer?
        var instance: MachineInstance?
    }

    /// What the machine is made of.
    public let configuration: VirtualMachineConfiguration
    /// The controls of the machine's memory balloons, one for each in its configuration.
    public let memoryBalloonDevices: [VirtioTraditionalMemoryBalloonDevice]
    /// The socket devices, in the order of the configuration.
    public let socketDevices: [VirtioSocketDevice]
    /// The way to the guest's agent, where there is a socket device.
    let agent: GuestAgentLink?
    let logger: Logger
    let consoleTail = ConsoleTail()
    private let status = Mutex(Status())
    let parts = Mutex<Parts?>(nil)
    let controlPoint = Mutex<MachineControl?>(nil)
    /// Of the last start; they outlive the machine's end.
    let counters = Mutex<MachineCounters?>(nil)
    /// Every change of state happens here, one after the other: on a thread of its own, or on that of `startHere()`.
    package let control: EventLoop

    /// A machine that is stopped.
    /// - Parameters:
    ///   - configuration: what the machine is made of.
    ///   - logger: hears what the machine meets; nil takes one that tells warnings and errors.
    /// - Throws: `invalidConfiguration`; `hostFailure` where the process has no descriptors left.
    public init(
        configuration: VirtualMachineConfiguration, logger: Logger? = nil
    ) throws(VirtualMachineError) {
        try configuration.validate()
        self.configuration = configuration
        do { control = try EventLoop(name: "caisson-control", startsNow: false) } catch {
            throw VirtualMachineError(error)
        }
        memoryBalloonDevices = configuration.memoryBalloonDevices.map {
            VirtioTraditionalMemoryBalloonDevice($0, memorySize: configuration.memorySize)
        }
        socketDevices = configuration.socketDevices.map { _ in VirtioSocketDevice() }
        agent = socketDevices.first.map(GuestAgentLink.init)
        self.logger = logger ?? Self.quietLogger
    }

    /// A machine that nobody holds any more stops.
    deinit {
        guard let parts = parts.withLock({ exchange(&$0, with: nil) }) else { return }
        // Not here, as this may be a thread that has to end first. Whoever started the machine has had a thread for it.
        control.submit { [control] in
            Self.close(parts)
            control.stop()
        }
        try? control.start()
    }

    private static var quietLogger: Logger {
        var logger = Logger(label: "caisson")
        logger.logLevel = .warning
        return logger
    }

    // MARK: State

    /// Where the machine is in its life now.
    public var state: State { status.withLock { $0.state } }
    /// How the machine ended, since it was started last.
    var outcome: Outcome? { status.withLock { $0.outcome } }
    /// Whether `start()` would be allowed now.
    public var canStart: Bool { state == .stopped || state == .error }
    /// Whether `pause()` would be allowed now.
    public var canPause: Bool { state == .running }
    /// Whether `resume()` would be allowed now.
    public var canResume: Bool { state == .paused }
    /// Whether `stop()` would be allowed now.
    public var canStop: Bool { state == .running || state == .paused }
    /// Whether `requestStop()` would be allowed now.
    public var canRequestStop: Bool { state == .running && configuration.usesACPI }

    /// Where a client finds the console of a running machine: a pseudo-terminal's device or a socket.
    public var consolePath: String? { parts.withLock { $0?.console?.path } }

    /// Where clients find the ports of the running machine's console devices, one after the other: a pseudo-terminal's device
    /// or a socket, nil for a port that has neither.
    public var consoleDevicePaths: [String?] {
        parts.withLock { $0?.devices }?.consoles.flatMap { $0.lines.map(\.path) } ?? []
    }

    /// The last lines that the guest wrote to a serial port whose line ends nowhere.
    package func lastConsoleLines(atMost count: Int) -> [String] { consoleTail.lines(atMost: count) }

    /// Tells the guest the size of the terminals of its console devices' lines anew, after it changed.
    public func consoleSizeChanged() {
        for consoles in parts.withLock({ $0?.devices })?.consoles ?? [] { consoles.tellSize() }
    }

    // MARK: Life cycle

    /// Builds the machine and starts its guest.
    /// - Throws: `invalidState` unless it is stopped; whatever keeps it from starting.
    public func start() async throws(VirtualMachineError) {
        try await change(from: [.stopped, .error], by: .starting, build)
    }

    /// Stops the guest between two instructions.
    /// - Throws: `invalidState` unless it is running.
    public func pause() async throws(VirtualMachineError) {
        try await change(from: [.running], by: .pausing, hold)
    }

    /// Lets a paused guest go on.
    /// - Throws: `invalidState` unless it is paused.
    public func resume() async throws(VirtualMachineError) {
        try await change(from: [.paused], by: .resuming, letGo)
    }

    /// Asks the guest to shut down by itself, by its power button. A guest that does not know of it goes on.
    /// - Throws: `invalidState` unless the machine is running; `notSupported` for one without ACPI.
    public func requestStop() throws(VirtualMachineError) {
        guard configuration.usesACPI else {
            throw VirtualMachineError(
                .notSupported, "the machine has no power button: its guest is not told of its hardware by ACPI")
        }
        let (state, instance) = (state, parts.withLock { $0?.instance })
        guard state == .running, let instance else {
            throw VirtualMachineError(.invalidState, "the machine is \(state.rawValue), not running")
        }
        instance.pressPowerButton()
    }

    /// Stops the machine at once, as pulling the plug does.
    /// - Throws: `invalidState` unless it is running or paused.
    public func stop() async throws(VirtualMachineError) {
        try await change(from: [.running, .paused], by: .stopping) { self.pullPlug(.stopped) }
    }

    /// `stop()` without waiting for it; nothing happens unless the machine is running or paused.
    package func beginStop() {
        control.submit { _ = self.changeNow(from: [.running, .paused], by: .stopping) { self.pullPlug(.stopped) } }
    }

    /// Waits until the machine has stopped, by itself or by `stop()`. Returns at once if it has stopped already.
    /// - Throws: what failed while it ran.
    public func waitUntilStopped() async throws(VirtualMachineError) -> StopReason {
        let outcome: Outcome = await withCheckedContinuation { continuation in
            whenStopped { continuation.resume(returning: $0) }
        }
        return try outcome.get()
    }

    /// Calls `handler` with the machine's end, at once if there was one.
    private func whenStopped(_ handler: @escaping @Sendable (Outcome) -> Void) {
        let known = status.withLock { status in
            if status.outcome == nil { status.waiting.append(handler) }
            return status.outcome
        }
        if let known { handler(known) }
    }

    // MARK: On the control loop

    /// Goes through `transition` to the state that `work` returns.
    private func change(
        from allowed: [State], by transition: State,
        _ work: @escaping @Sendable () throws(VirtualMachineError) -> State
    ) async throws(VirtualMachineError) {
        do throws(HostError) { try control.start() } catch { throw VirtualMachineError(error) }
        let result: Result<Void, VirtualMachineError> = await withCheckedContinuation { continuation in
            control.submit { continuation.resume(returning: self.changeNow(from: allowed, by: transition, work)) }
        }
        try result.get()
    }

    func changeNow(
        from allowed: [State], by transition: State, _ work: () throws(VirtualMachineError) -> State
    ) -> Result<Void, VirtualMachineError> {
        let current = status.withLock { status in
            let current = status.state
            if allowed.contains(current) { status.state = transition }
            return current
        }
        guard allowed.contains(current) else {
            let wanted = allowed.map(\.rawValue).joined(separator: " or ")
            return .failure(VirtualMachineError(.invalidState, "the machine is \(current.rawValue), not \(wanted)"))
        }
        do throws(VirtualMachineError) {
            let new = try work()
            status.withLock { $0.state = new }
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    func hold() -> State {
        parts.withLock { $0?.instance }?.pause()
        return .paused
    }

    func letGo() -> State {
        parts.withLock { $0?.instance }?.resume()
        return .running
    }

    func pullPlug(_ reason: StopReason) -> State {
        parts.withLock { $0?.instance }?.requestEnd(.stopped)
        finish(.success(reason))
        return .stopped
    }

    func build() throws(VirtualMachineError) -> State {
        status.withLock { $0.outcome = nil }
        agent?.begin()
        do throws(VirtualMachineError) {
            try open()
            return .running
        } catch {
            close()
            agent?.end()
            status.withLock { $0.state = .error }
            throw error
        }
    }

    private func open() throws(VirtualMachineError) {
        guard let loader = configuration.bootLoader as? LinuxBootLoader else {
            preconditionFailure("a validated configuration has Caisson's boot loader")
        }
        let images = try BootImages(loader)
        guard caisson_install_kick_handler() == 0 else {
            throw VirtualMachineError(.hostFailure, "cannot handle the signal that stops a vCPU")
        }
        let counters = MachineCounters(processorCount: configuration.cpuCount)
        self.counters.withLock { $0 = counters }
        let core = try MachineCore(configuration, counters: counters.processors, logger: logger)
        do throws(VirtualMachineError) {
            try openHostSide(images)
            try startInstance(core)
            // A thread takes longer to start than a guest to its first request, which waits for it then.
            try parts.withLock { $0?.devices }?.start()
        } catch {
            core.cancel()
            throw error
        }
    }

    private func openHostSide(_ images: BootImages) throws(VirtualMachineError) {
        let loop: EventLoop
        // At once: others ask for the machine's state while it loads a large guest.
        do { loop = try EventLoop(name: "caisson-io") } catch { throw VirtualMachineError(error) }
        let control: LineServer?
        let devices: HostDevices
        do {
            control = try openControl(on: loop)
            devices = try HostDevices(
                configuration, balloons: memoryBalloonDevices, sockets: socketDevices, loop: loop, logger: logger,
                consoleEvent: { [weak self] line, event in self?.consoleReported(event, on: line) })
        } catch {
            loop.stop()
            throw error
        }
        counters.withLock { $0?.setDevices(devices) }
        parts.withLock { $0 = Parts(images: images, loop: loop, devices: devices, control: control) }
        if let console = try openConsole(loop) { parts.withLock { $0?.console = console } }
    }

    private func startInstance(_ core: MachineCore) throws(VirtualMachineError) {
        guard let parts = parts.withLock({ $0 }) else { preconditionFailure("an instance without its parts") }
        let instance = try MachineInstance(
            configuration, core: core, images: parts.images, console: parts.console, loop: parts.loop,
            devices: parts.devices, logger: logger,
            ended: { [weak self] end in
                guard let self else { return }
                self.control.submit { self.instanceEnded(end) }
            })
        self.parts.withLock { $0?.instance = instance }
    }

    /// An instance came to its end by itself.
    private func instanceEnded(_ end: MachineEnd) {
        let isUp = status.withLock { $0.state == .running || $0.state == .paused }
        guard end != .stopped, isUp, let isAfterPanic = parts.withLock({ $0?.instance })?.end() else { return }
        logger.info("the guest ended: \(end)")
        switch end {
        case .powerOff: finish(.success(.guestPoweredOff))
        case .exit(let status): finish(.success(.guestExited(status: status)))
        case .crash(let crash): finish(.success(.guestCrashed(crash)))
        case .failure(let error): finish(.failure(error))
        case .stopped: break
        case .reset:
            if isAfterPanic {
                finish(.success(.guestCrashed(.panic)))
            } else if configuration.restartsOnReset {
                restart()
            } else {
                finish(.success(.guestReset))
            }
        }
    }

    private func restart() {
        // All of the old one goes first: its memory, and its threads, KVM's own among them.
        parts.withLock { parts in
            parts?.instance = nil
            parts?.console?.connect(to: nil)
        }
        let counters = counters.withLock { $0?.processors ?? [] }
        do throws(VirtualMachineError) {
            let core = try MachineCore(configuration, counters: counters, logger: logger)
            do throws(VirtualMachineError) { try startInstance(core) } catch {
                core.cancel()
                throw error
            }
            // A pause may have met the old instance on its way out.
            status.withLock { $0.state = .running }
        } catch { finish(.failure(error)) }
    }

    func finish(_ outcome: Outcome) {
        close()
        agent?.end()
        let waiting = status.withLock { status in
            status.outcome = outcome
            if case .failure = outcome { status.state = .error } else { status.state = .stopped }
            return exchange(&status.waiting, with: [])
        }
        for handler in waiting { handler(outcome) }
    }

    private func close() {
        if let parts = parts.withLock({ exchange(&$0, with: nil) }) { Self.close(parts) }
    }

    private static func close(_ parts: Parts) {
        parts.control?.close()
        parts.instance?.end()
        parts.console?.close()
        parts.devices.close()
        parts.loop.stop()
    }
}
