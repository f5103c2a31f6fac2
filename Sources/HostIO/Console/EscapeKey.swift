/// The command key of a terminal console, Ctrl-A: takes commands out of what is typed. Remembers a Ctrl-A at the end of
/// one read for the next.
///
/// A key that stands for no command is swallowed together with its Ctrl-A, so that a slip never reaches the guest.
package struct EscapeKey: Sendable {
    package enum Command: CaseIterable, Sendable, Equatable {
        case quit, powerButton, togglePause, lessMemory, moreMemory, showMemory, showStatistics, help
    }

    private static let controlA: UInt8 = 0x01

    private var isPrimed = false

    package init() {}

    /// Splits typed bytes into what is for the guest, which is appended to `output`, and commands in order.
    package mutating func parse(_ input: Span<UInt8>, appendingTo output: inout [UInt8]) -> [Command] {
        var commands: [Command] = []
        for index in input.indices {
            let byte = input[index]
            if isPrimed {
                isPrimed = false
                if byte == Self.controlA {
                    output.append(byte)
                } else if let command = Command(key: byte) {
                    commands.append(command)
                }
            } else if byte == Self.controlA {
                isPrimed = true
            } else {
                output.append(byte)
            }
        }
        return commands
    }

    /// The keys, one a line.
    package static var help: String {
        var lines = Command.allCases.map { "  Ctrl-A \($0.key)       \($0.summary)" }
        lines.append("  Ctrl-A Ctrl-A  send Ctrl-A to the guest")
        return "\n" + lines.map { $0 + "\n" }.joined()
    }
}

extension EscapeKey.Command {
    /// The key after Ctrl-A.
    package var key: Character {
        switch self {
        case .quit: "x"
        case .powerButton: "p"
        case .togglePause: "c"
        case .lessMemory: "-"
        case .moreMemory: "+"
        case .showMemory: "m"
        case .showStatistics: "i"
        case .help: "h"
        }
    }

    package var summary: String {
        switch self {
        case .quit: "stop the machine and quit"
        case .powerButton: "press the power button: ask the guest to shut down"
        case .togglePause: "pause the machine, or let it go on"
        case .lessMemory: "take memory from the guest, an eighth at a time"
        case .moreMemory: "give it back"
        case .showMemory: "show the guest's memory"
        case .showStatistics: "show what the machine does in the next second"
        case .help: "show these keys"
        }
    }

    init?(key byte: UInt8) {
        switch byte {
        case UInt8(ascii: "x"): self = .quit
        case UInt8(ascii: "p"): self = .powerButton
        case UInt8(ascii: "c"): self = .togglePause
        case UInt8(ascii: "-"): self = .lessMemory
        // The same key, without shift.
        case UInt8(ascii: "+"), UInt8(ascii: "="): self = .moreMemory
        case UInt8(ascii: "m"): self = .showMemory
        case UInt8(ascii: "i"): self = .showStatistics
        case UInt8(ascii: "h"), UInt8(ascii: "?"): self = .help
        default: return nil
        }
    }
}
