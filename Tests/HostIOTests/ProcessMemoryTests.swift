import Testing

@testable import HostIO

@Suite struct ProcessMemoryTests {
    private static let text = """
        00400000-00500000 r-xp 00000000 08:01 1                                  /usr/bin/a-b c
        Size:               1024 kB
        Rss:                 100 kB
        Pss:                  50 kB
        Pss_Dirty:             9 kB
        VmFlags: rd ex mr mw me
        7f0000000000-7f0000100000 rw-p 00000000 00:00 0
        Rss:                   8 kB
        Pss:                   7 kB
        7f0000100000-7f0000200000 rw-p 00000000 00:00 0
        Rss:                  16 kB
        Pss:                  16 kB
        ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
        Rss:                   0 kB
        Pss:                   0 kB

        """

    @Test func mappingsAreToldApart() {
        let memory = ProcessMemory(Self.text, addresses: 0x7f00_0000_0000..<0x7f00_0020_0000)
        #expect(memory.inside == .init(resident: 24 << 10, proportional: 23 << 10))
        #expect(memory.outside == .init(resident: 100 << 10, proportional: 50 << 10))
        let other = ProcessMemory(Self.text, addresses: 0x7f00_0010_0000..<0x7f00_0010_1000)
        #expect(other.inside == .init(resident: 16 << 10, proportional: 16 << 10))
    }

    @Test(arguments: ["", "\n\n", "Rss:\n", "Rss: 99999999999999999999 kB\n", "-\nRss: kB", "5-4 \n"])
    func anythingElseIsNothing(text: String) {
        let memory = ProcessMemory(text, addresses: 0..<1)
        #expect(memory.inside.resident == 0 && memory.outside.resident == 0)
    }

    @Test func thisProcessHasMemory() throws {
        var bytes = [UInt8](repeating: 1, count: 8 << 20)
        let range = bytes.withUnsafeMutableBytes { buffer in
            let start = UInt(bitPattern: buffer.baseAddress)
            return start..<start + UInt(buffer.count)
        }
        let memory = try #require(ProcessMemory(addresses: range))
        #expect(memory.inside.resident >= 8 << 20 && memory.inside.proportional <= memory.inside.resident)
        #expect(memory.outside.resident > 0)
        #expect(bytes[4096] == 1)
    }
}
