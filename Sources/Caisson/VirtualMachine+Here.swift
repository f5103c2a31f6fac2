import HostIO

/// For a process that is one machine: its first thread starts the machine, carries out its changes of state, and waits for its end.
extension VirtualMachine {
    /// Begins with what the first machine of this process will need of the host, whatever it will be; returns at once. For a process
    /// that is about to make one.
    package static func prepareHost() { BlankMachine.makeAhead() }

    /// `start()` on the caller's own thread, which goes on with `waitHereUntilStopped()`: a process that is one machine needs no other
    /// thread for it.
    /// - Throws: as `start()`.
    package func startHere() throws(VirtualMachineError) {
        try changeNow(from: [.stopped, .error], by: .starting, build).get()
    }

    /// `waitUntilStopped()` on the thread of `startHere()`, where changes of state happen meanwhile, and whatever else there is on
    /// the loop `control`.
    /// - Throws: as `waitUntilStopped()`.
    package func waitHereUntilStopped() throws(VirtualMachineError) -> StopReason {
        control.run(until: { outcome != nil })
        guard let outcome else { preconditionFailure("a machine's loop was stopped before the machine") }
        return try outcome.get()
    }
}
