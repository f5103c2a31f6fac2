import Caisson
package import HostIO
package import HostResources

/// A machine of this user's that runs in another process.
package struct RunningMachine: ~Copyable {
    package let status: MachineStatus
    /// Its process: the one that gave the status.
    package let process: HostedProcess

    private init(status: MachineStatus, process: consuming HostedProcess) {
        self.status = status
        self.process = process
    }

    /// Finds a machine by its name; nil where none that answers has it.
    /// - Throws: `CommandError`.
    package static func find(_ name: String) throws(CommandError) -> RunningMachine? {
        let address = try MachineStatus.address(of: name)
        do {
            guard let client = try ControlClient(address) else { return nil }
            // Before the answer: who answers afterwards has not ended, so this is its process.
            let process = try client.process()
            guard let line = client.ask(MachineStatus.question), let status = MachineStatus(line: line) else {
                return nil
            }
            return RunningMachine(status: status, process: process)
        } catch {
            throw .failure("\(error)")
        }
    }

    /// - Throws: `usage` where no machine can have that name.
    package static func check(_ name: String) throws(CommandError) {
        guard MachineDescription.isName(name) else { throw .usage("'\(name)' is no machine's name") }
    }

    /// Finds a machine by the name that a user gave.
    /// - Throws: `CommandError`, also where there is none.
    package static func wanted(_ name: String) throws(CommandError) -> RunningMachine {
        try check(name)
        guard let machine = try find(name) else {
            throw .failure("no machine with the name \(name) is running; `caisson list` shows those that are")
        }
        return machine
    }

    /// Has the machine do something by a word; whether it did.
    package func order(_ word: String) throws(CommandError) -> Bool {
        let address = try MachineStatus.address(of: status.name)
        do {
            return try ControlClient(address)?.ask(word)?.hasPrefix("OK") ?? false
        } catch {
            throw .failure("\(error)")
        }
    }

    /// A connection with a port of the guest's, which never waits; nil where there is none, for a reason that is one line.
    package func connect(toPort port: UInt32, refusal: inout String) throws(CommandError) -> OwnedFileDescriptor? {
        let address = try MachineStatus.address(of: status.name)
        do {
            guard let client = try ControlClient(address) else {
                refusal = "it has ended"
                return nil
            }
            // The guest itself has ten seconds for an answer.
            let answer = client.ask("CONNECT \(port)", within: 15_000) ?? "ERROR it does not answer"
            if answer.hasPrefix("OK ") { return client.release() }
            refusal = String(answer.dropFirst("ERROR ".count))
            return nil
        } catch {
            throw .failure("\(error)")
        }
    }

    /// What all machines say of themselves, in order of their names.
    /// - Throws: `CommandError`.
    package static func all() throws(CommandError) -> [MachineStatus] {
        let prefix = try MachineStatus.addressPrefix()
        let names: [String]
        do { names = try AbstractNames.listening(prefix: prefix) } catch {
            throw .failure("\(error)")
        }
        var result: [MachineStatus] = []
        for name in names where MachineDescription.isName(name) {
            if let machine = try find(name) { result.append(machine.status) }
        }
        return result
    }
}
