import Testing

@testable import HostIO

@Suite struct EscapeKeyTests {
    @Test(
        arguments: [
            ("plain", "plain", []),
            ("\u{1}x", "", [.quit]),
            ("ab\u{1}xcd", "abcd", [.quit]),
            ("\u{1}pp", "p", [.powerButton]),
            ("\u{1}c\u{1}c", "", [.togglePause, .togglePause]),
            ("\u{1}-\u{1}+\u{1}=\u{1}m-", "-", [.lessMemory, .moreMemory, .moreMemory, .showMemory]),
            ("\u{1}h\u{1}?", "", [.help, .help]),
            ("a\u{1}\u{1}b", "a\u{1}b", []),
            ("\u{1}\u{1}\u{1}x", "\u{1}", [.quit]),
            ("\u{1}z!", "!", []),
            ("\u{1}X", "", []),
            ("x\u{1}", "x", []),
        ] as [(String, String, [EscapeKey.Command])])
    func `commands are taken out of what is typed`(typed: String, output: String, commands: [EscapeKey.Command]) {
        // However the bytes are split between reads, the outcome is the same.
        let bytes = Array(typed.utf8)
        for split in 0...bytes.count {
            var key = EscapeKey()
            var result: [UInt8] = []
            var found = key.parse(Array(bytes[..<split]).span, appendingTo: &result)
            found += key.parse(Array(bytes[split...]).span, appendingTo: &result)
            #expect(String(decoding: result, as: UTF8.self) == output)
            #expect(found == commands)
        }
    }

    @Test func `the help names every key`() {
        let help = EscapeKey.help
        for command in EscapeKey.Command.allCases {
            #expect(help.contains("Ctrl-A \(command.key)"))
            #expect(help.contains(command.summary))
        }
        #expect(help.contains("Ctrl-A Ctrl-A"))
        let columns = help.split(separator: "\n").map { line in line.count - line.drop { $0 == " " }.count }
        #expect(Set(columns).count == 1)
    }
}

@Suite struct ConsolePortSpecificationTests {
    @Test(
        arguments: [
            ("pty", .init(.pseudoterminal(link: nil))), ("unix:/a,name=b", .init(.socket(path: "/a"), name: "b")),
            ("file:/a,,b", .init(.file(path: "/a,b"))), ("none,name=org.x-1_é", nil), ("none,name=,", nil),
            ("none,name=x,,y", .init(.none, name: "x,y")),
        ] as [(String, ConsolePortSpecification?)])
    func `a port is a console that may have a name`(text: String, expected: ConsolePortSpecification?) throws {
        #expect((try? ConsolePortSpecification(text)) == expected)
        if let expected { #expect(try ConsolePortSpecification(expected.description) == expected) }
    }

    @Test(
        arguments: [
            ("fax", .console(.init(text: "fax", reason: .unknownKind))),
            ("", .console(.init(text: "", reason: .unknownKind))),
            ("pty,nam=a", .unknownOption("nam=a", of: "pty,nam=a")), ("pty,", .unknownOption("", of: "pty,")),
            ("pty,name=a,name=b", .repeatedName(of: "pty,name=a,name=b")),
            ("pty,name=", .unusableName("", of: "pty,name=")), ("pty,name=..", .unusableName("..", of: "pty,name=..")),
            ("pty,name=a/b", .unusableName("a/b", of: "pty,name=a/b")),
        ] as [(String, ConsolePortSpecificationError)])
    func `anything else is one clear line`(text: String, expected: ConsolePortSpecificationError) {
        let error = #expect(throws: ConsolePortSpecificationError.self) { try ConsolePortSpecification(text) }
        #expect(error == expected && error?.description.contains("\n") == false)
    }
}

@Suite struct ConsoleSpecificationTests {
    @Test(
        arguments: [
            ("terminal", .terminal), ("stdio", .terminal), ("none", .none), ("pty", .pseudoterminal(link: nil)),
            ("file:log", .file(path: "log")), ("file:/a:b", .file(path: "/a:b")),
            ("pty:/tmp/x", .pseudoterminal(link: "/tmp/x")), ("unix:s", .socket(path: "s")),
            ("unix:" + String(repeating: "p", count: 107), .socket(path: String(repeating: "p", count: 107))),
        ] as [(String, ConsoleSpecification)])
    func `each kind is understood`(text: String, expected: ConsoleSpecification) throws {
        #expect(try ConsoleSpecification(text) == expected)
        #expect(try ConsoleSpecification(expected.description) == expected)
    }

    @Test(
        arguments: [
            ("", .unknownKind), ("tty", .unknownKind), ("Terminal", .unknownKind), (":x", .unknownKind),
            ("file", .missingPath(kind: "file")), ("file:", .missingPath(kind: "file")),
            ("pty:", .missingPath(kind: "pty")), ("unix", .missingPath(kind: "unix")),
            ("none:x", .unexpectedPath(kind: "none")), ("terminal:", .unexpectedPath(kind: "terminal")),
            ("stdio:/x", .unexpectedPath(kind: "stdio")), ("file:a\0b", .nulInPath),
            ("unix:" + String(repeating: "p", count: 108), .pathTooLong(limit: 107)),
            ("unix:" + String(repeating: "é", count: 54), .pathTooLong(limit: 107)),
        ] as [(String, ConsoleSpecificationError.Reason)])
    func `anything else is one clear line`(text: String, reason: ConsoleSpecificationError.Reason) {
        let error = #expect(throws: ConsoleSpecificationError.self) { try ConsoleSpecification(text) }
        #expect(error?.reason == reason)
        #expect(error.map { !$0.description.contains("\n") } == true)
    }
}
