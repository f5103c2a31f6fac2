import ArgumentParser
import Caisson
import CaissonOptions

/// `caisson doctor`: whether machines can run here, and what would help.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Tells whether this host can run machines, and what is missing.",
        discussion: "Opens KVM, makes the smallest machine, and runs a few instructions in it to see what KVM does.")

    static let help = """
        EXIT STATUS:
          0                       machines can run
          1                       they cannot; the last lines say why and what to do
        """

    @Flag(help: "Print JSON, whose keys stay as they are within a schema's number.")
    var json = false

    func run() throws {
        let diagnosis = Diagnosis(host: HostReport(), installation: .found)
        print(json ? diagnosis.json.text : diagnosis.text)
        if !diagnosis.canRun { throw ExitCode(Ending.failure) }
    }
}

/// All that `caisson doctor` has to say.
struct Diagnosis {
    var host: HostReport
    var installation: Installation

    /// What keeps machines from running.
    var problems: [HostProblem] { [host.problem, installation.programProblem].compactMap { $0 } }

    var canRun: Bool { problems.isEmpty }
}
