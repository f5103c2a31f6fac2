import HostIO
import HostResources
import Synchronization
import SystemPackage

/// How this user's other processes find a machine and reach it, as long as it is up: at a name in the abstract namespace of Unix
/// sockets, which nobody has to clean up after whatever end of the process.
package struct MachineControl: Sendable {
    /// The socket's name.
    package let address: String
    /// Answers what a client asks by a word; nil for a word that means nothing.
    package let answer: @Sendable (String) -> String?

    package init(address: String, answer: @escaping @Sendable (String) -> String?) {
        self.address = address
        self.answer = answer
    }
}

extension VirtualMachine {
    /// Serves `control` from the next start on. A client that writes `CONNECT` and a port is connected with that port of the guest's,
    /// as at a socket device's path.
    package func setControl(_ control: MachineControl) { controlPoint.withLock { $0 = control } }

    /// - Throws: `invalidState` where the address is another machine's.
    func openControl(on loop: EventLoop) throws(VirtualMachineError) -> LineServer? {
        guard let control = controlPoint.withLock({ $0 }) else { return nil }
        do {
            return try LineServer(abstract: control.address, loop: loop) { [weak self] client, request in
                self?.serve(client, request, control)
            }
        } catch {
            guard error.errno == .addressInUse else { throw VirtualMachineError(error) }
            throw VirtualMachineError(
                .invalidState,
                "a machine with the name \(configuration.name) is running already: give this one another name")
        }
    }

    private func serve(
        _ client: consuming OwnedFileDescriptor, _ request: LineServer.Request, _ control: MachineControl
    ) {
        switch request {
        case .connect(let port):
            guard let sockets = socketDevices.first else {
                return client.sendLine("ERROR the machine has no socket device")
            }
            sockets.connect(client, toPort: port)
        case .word(let word): client.sendLine(control.answer(word) ?? "ERROR nothing is called \(word)")
        case .unknown: client.sendLine("ERROR expected a word in capitals")
        }
    }
}
