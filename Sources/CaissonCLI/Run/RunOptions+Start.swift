import Caisson
import CaissonOptions
import HostIO
import Logging
import SystemPackage

extension RunOptions {
    /// Opens what the machine needs and becomes its process.
    func start() throws(CommandError) {
        do throws(CommandError) { try becomeMachine() } catch {
            guard !command.isEmpty, case .failure(let message) = error else { throw error }
            throw .commandFailure(message)
        }
    }

    private func becomeMachine() throws(CommandError) {
        HostProcess.openStandardStreams()
        let description = try describe()
        let program = try MachineProgram.locate()
        if description.logLevel <= .debug {
            let words = [program.path] + description.arguments
            _ = try? FileDescriptor.standardError.writeAll("caisson: debug: starting \(words)\n".utf8)
        }
        throw program.become(description.arguments)
    }
}
