import ArgumentParser
import CaissonOptions
import Glibc
import SystemPackage

@main
enum Main {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        do {
            var command = try CaissonCommand.parseAsRoot()
            try command.run()
        } catch {
            let ending = Ending(of: error, arguments: arguments)
            // Nobody is left to tell where the reader is gone.
            _ = try? FileDescriptor.standardOutput.writeAll(ending.output.utf8)
            _ = try? FileDescriptor.standardError.writeAll(ending.complaint.utf8)
            exit(ending.status)
        }
    }
}
