import Caisson
import SystemPackage
import Testing

/// Works in the default guest's shell.
enum LinuxSession {
    static let prompt = "# "

    /// A guest at its shell's prompt.
    /// - Parameter ramdisk: unpacked behind the guest's own.
    static func boot(
        _ words: String = "", ramdisk: FilePath? = nil, change: (inout VirtualMachineConfiguration) -> Void = { _ in }
    ) async throws -> TestMachine {
        var loader = try DefaultGuest.loader(words)
        if let ramdisk { loader.addRamdisk(ramdisk) }
        let guest = try TestMachine(loader) {
            $0.memorySize = 128 << 20
            change(&$0)
        }
        try await guest.machine.start()
        // A busy host that emulates the kernel of a machine with two processors takes more than a minute.
        try await guest.expect(prompt, within: .seconds(180))
        return guest
    }

    /// A command that writes blocks of 64 KiB, each different and by one system call: those, and page faults, are slow in an
    /// emulated kernel.
    static func numbers(blocks: Int) -> String {
        #"awk 'BEGIN { for (c = 0; c < \#(blocks); c++) printf "%065535d\n", c }'"#
    }

    /// Runs a command and returns what it wrote.
    static func run(
        _ command: String, in guest: TestMachine, within limit: Duration = .seconds(60)
    ) async throws -> String {
        // The command is echoed with its quotes, so its end is told from the answer's.
        try guest.send("\(command); echo do''ne\n")
        try await guest.expect("do''ne\r\n", within: limit)
        let answer = try await guest.expect("done\r\n", within: limit)
        try await guest.expect(prompt, within: limit)
        return answer.replacing("\r\n", with: "\n")
    }
}
