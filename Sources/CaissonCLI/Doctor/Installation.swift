import Caisson
import CaissonOptions
import HostIO
import SystemPackage

/// What of Caisson is there.
struct Installation: Equatable {
    /// The machine's program; nil where it cannot be found.
    var program: String?
    var programProblem: HostProblem?
    /// The default guest's folder.
    var guest: String?
    /// Why there is no default guest. Machines can run all the same.
    var guestProblem: String?
}

extension Installation {
    /// What is there now.
    static var found: Installation {
        var result = Installation()
        do throws(CommandError) {
            let program = try MachineProgram.locate()
            result.program = program.path
            if let ownership = HostFile.ownership(of: program.path) {
                if ownership.permissions & 0o111 == 0 {
                    result.programProblem = HostProblem(
                        "\(program.path) is not executable", advice: "chmod +x \(program.path)")
                }
            } else {
                result.programProblem = HostProblem("\(program.path) does not exist", advice: program.advice)
            }
        } catch {
            result.programProblem = HostProblem(error.message)
        }
        do throws(CommandError) {
            let found = try DefaultGuest.locate()
            for file in [found.kernel, found.ramdisk] where !HostFile.exists(file.string) {
                result.guestProblem = "there is no default guest: \(file) does not exist"
            }
            result.guest = found.folder.string
        } catch {
            result.guestProblem = error.message
        }
        return result
    }
}
