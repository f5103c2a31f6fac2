import Glibc
import TestSupport
import Testing

/// Makes kernels of the tests' own from assembler sources.
enum Assembler {
    /// Assembles a guest of `Repairs`, and links it to 1 MiB.
    static func kernel(_ name: String, defining symbols: [String: UInt64] = [:], in folder: Folder) -> String {
        let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        let source = tests.joined(separator: "/") + "/Repairs"
        let object = "\(folder.path)/\(name).o"
        let definitions = symbols.flatMap { ["--defsym", "\($0)=\($1)"] }
        let assembled = Child.run("/usr/bin/as", ["--64"] + definitions + ["-o", object, "\(source)/\(name).S"])
        #expect(assembled.status == 0, "\(assembled.errors)")
        let kernel = "\(folder.path)/\(name)"
        let linked = Child.run(
            "/usr/bin/ld", ["-N", "--no-warn-rwx-segments", "-Ttext=0x100000", "-o", kernel, object])
        #expect(linked.status == 0, "\(linked.errors)")
        return kernel
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips, aloud, where there is no assembler.
    static var needsAssembler: Self {
        .enabled(
            if: access("/usr/bin/as", X_OK) == 0 && access("/usr/bin/ld", X_OK) == 0,
            "needs an assembler: apt-get install binutils")
    }
}
