import Caisson
import CaissonOptions
import HostIO
import SystemPackage

/// The program that runs a machine.
struct MachineProgram {
    let path: String
    /// What to do where it cannot be started.
    let advice: String

    /// $CAISSON_VMM, or `caisson` beside this program.
    static func locate() throws(CommandError) -> MachineProgram {
        if let path = HostProcess.environment("CAISSON_VMM") {
            return MachineProgram(path: path, advice: "CAISSON_VMM names it")
        }
        guard let own = HostProcess.executablePath else {
            throw .failure("cannot find caisson: /proc/self/exe cannot be read; name it by CAISSON_VMM")
        }
        let folder = FilePath(own).removingLastComponent()
        return MachineProgram(
            path: folder.appending("caisson").string,
            advice: "it belongs beside caisson-cli; scripts/build makes both, and CAISSON_VMM names another")
    }

    /// Returns only where the program could not be started.
    func become(_ arguments: [String]) -> CommandError {
        let error = HostProcess.become(path, arguments: arguments)
        if error.errno == .argListTooLong {
            return .failure(
                "cannot start \(path): the words for the kernel or the command are too long for a process's arguments")
        }
        return .failure("\(error); \(advice)")
    }
}
