import TestSupport
import Testing

@testable import LinuxBoot

@Suite struct CommandLineTests {
    private static let base = CommandLine(defaults: ["console=ttyS0", "panic=-1", "reboot=k,panic_warm"])

    @Test(arguments: [
        ("", "console=ttyS0 panic=-1 reboot=k,panic_warm"),
        ("quiet", "console=ttyS0 panic=-1 reboot=k,panic_warm quiet"),
        ("console=hvc0", "panic=-1 reboot=k,panic_warm console=hvc0"),
        ("console=ttyS0 console=hvc0", "panic=-1 reboot=k,panic_warm console=ttyS0 console=hvc0"),
        ("panic", "console=ttyS0 reboot=k,panic_warm panic"),
        ("panic_on_oops=1", "console=ttyS0 panic=-1 reboot=k,panic_warm panic_on_oops=1"),
        (#""console=tty 0"  x"#, #"panic=-1 reboot=k,panic_warm "console=tty 0"  x"#),
        (#"a="b console=c" d"#, #"console=ttyS0 panic=-1 reboot=k,panic_warm a="b console=c" d"#),
        ("-- panic=5 console", "console=ttyS0 panic=-1 reboot=k,panic_warm -- panic=5 console"),
    ])
    func usersWordsWin(_ words: String, _ text: String) {
        #expect(Self.base.extended(by: words).text == text)
    }

    @Test func dashesAndUnderscoresAreOne() {
        let line = CommandLine(defaults: ["a-b_c=1"])
        #expect(line.extended(by: "a_b-c=2").text == "a_b-c=2")
        #expect(line.extended(by: "a-b=2").text == "a-b_c=1 a-b=2")
    }

    @Test func replacingLeavesNoDefault() {
        #expect(Self.base.replaced(by: "init=/bin/sh").text == "init=/bin/sh")
        #expect(Self.base.replaced(by: "a").extended(by: "b").text == "a b")
        #expect(Self.base.replaced(by: "").text == "")
    }

    @Test func laterDefaultsJoinTheFirst() {
        let line = CommandLine(defaults: ["a=1"]).extended(by: "c=9").withDefaults(["b=2", "c=3"])
        #expect(line.text == "a=1 b=2 c=9")
        #expect(line.userWords == "c=9")
    }

    @Test func linuxSaysWhyItStops() {
        #expect(CommandLine.linux.text == "console=ttyS0 panic=-1 reboot=k,panic_warm")
    }

    /// What the user typed arrives as it was typed, and no default appears beside a word of the same key.
    @Test func anyWordsAreKept() {
        var random = SeededGenerator(seed: 1)
        let alphabet = Array("ab=\"  -_,panic")
        for _ in 0..<2000 {
            let words = String(
                (0..<Int.random(in: 1...20, using: &random)).map { _ in
                    alphabet.randomElement(using: &random) ?? "a"
                })
            let text = Self.base.extended(by: words).text
            #expect(text.hasSuffix(words))
            let own = CommandLine.words(of: words).prefix { $0 != "--" }.map(CommandLine.key)
            #expect(own.contains("panic") != text.dropLast(words.count).contains("panic=-1"))
        }
    }
}
