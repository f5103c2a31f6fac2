import CLinux
import Glibc
import Testing

@testable import GuestMemory

/// What guest memory is made of.
@Suite struct BackingTests {
    /// All but what the host has to set aside before.
    @Test(arguments: MemoryBacking.allCases.filter { $0 != .hugePages })
    func everyKindIsMemory(backing: MemoryBacking) async throws {
        let memory: GuestMemory
        do throws(GuestMemoryError) { memory = try GuestMemory(size: 6 << 20, backing: backing) } catch {
            // A kernel that was built without it says so.
            #expect(error == .cannotBack(backing, errno: EINVAL))
            #expect(backing == .mergeable || backing == .transparentHugePages)
            return
        }
        #expect(try memory.read(Int(memory.size), at: 0).allSatisfy { $0 == 0 })
        try memory.fill(0, count: memory.size, with: 0xaa)
        #expect(memory.giveBack(0x1000, count: 0x2000) == 0x2000)
        #expect(try memory.load(UInt8.self, at: 0x1000) == 0 && memory.load(UInt8.self, at: 0x2fff) == 0)
        #expect(try memory.load(UInt8.self, at: 0xfff) == 0xaa && memory.load(UInt8.self, at: 0x3000) == 0xaa)
        let start = try unsafe UInt64(UInt(bitPattern: memory.hostPointer(0, 0)))
        #expect(start % (backing == .transparentHugePages ? 2 << 20 : 4096) == 0)
    }

    @Test(
        arguments: [
            (.mergeable, "mg"), (.transparentHugePages, "hg"), (.shared, "sh"), (.anonymous, "nr"), (.anonymous, "dd"),
            (.shared, "dd"), (.mergeable, "dd"),
        ] as [(MemoryBacking, String)])
    func theKernelKnows(backing: MemoryBacking, flag: String) throws {
        guard let memory = try? GuestMemory(size: 6 << 20, backing: backing) else { return }
        let start = try unsafe String(UInt(bitPattern: memory.hostPointer(0, 0)), radix: 16)
        let lines = try contents(of: "/proc/self/smaps").split(separator: "\n")
        let first = try #require(lines.firstIndex { $0.hasPrefix(start + "-") })
        let flags = try #require(lines[first...].first { $0.hasPrefix("VmFlags:") })
        #expect(flags.split(separator: " ").contains(Substring(flag)))
        #expect(lines[first].contains("memfd:caisson-memory") == (backing == .shared))
    }

    @Test func hugePagesAreThereOrItIsSaid() throws {
        let free = try contents(of: "/proc/meminfo").split(separator: "\n").first { $0.hasPrefix("HugePages_Free:") }
        let count = free.flatMap { Int($0.split(separator: " ").last ?? "") } ?? 0
        guard count >= 2 else {
            #expect(throws: GuestMemoryError.noHugePages(count: 2, errno: ENOMEM)) {
                try GuestMemory(size: 4 << 20, backing: .hugePages)
            }
            return
        }
        let memory = try GuestMemory(size: 4 << 20, backing: .hugePages)
        try memory.fill(0, count: memory.size, with: 0xaa)
        // Less than a huge page stays.
        #expect(memory.giveBack(0x1000, count: 0x20_0000) == 0)
        #expect(try memory.load(UInt8.self, at: 0x1000) == 0xaa)
    }

    @Test func hugePagesAreWhole() {
        #expect(throws: GuestMemoryError.notWholePages(size: 3 << 20, pageSize: 2 << 20)) {
            try GuestMemory(size: 3 << 20, backing: .hugePages)
        }
    }

    /// The pages of a file stay until they are given back, whoever maps it.
    @Test func aSharedFileLosesItsPages() async {
        await #expect(processExitsWith: .success) {
            let memory = try GuestMemory(size: 8 << 20, backing: .shared)
            try memory.fill(0, count: memory.size, with: 1)
            let file = try #require(fileOfMemory())
            let before = blocks(of: file)
            memory.giveBack(0, count: 6 << 20)
            let given: Int = before - blocks(of: file)
            #expect(given == 12288)
        }
    }

    @Test func whatFailsLeavesNothing() async {
        await #expect(processExitsWith: .success) {
            let before = try contents(of: "/proc/self/maps").split(separator: "\n").count
            for backing in MemoryBacking.allCases {
                for _ in 0..<20 { _ = try? GuestMemory(size: 2 << 20, backing: backing) }
            }
            #expect(try contents(of: "/proc/self/maps").split(separator: "\n").count < before + 10)
        }
    }
}

/// The descriptor of a guest memory's file.
private func fileOfMemory() -> Int32? {
    (3..<64).first { (number: Int32) -> Bool in
        var name = [CChar](repeating: 0, count: 100)
        let count = readlink("/proc/self/fd/\(number)", &name, name.count - 1)
        let bytes: [UInt8] = name.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self).hasPrefix("/memfd:caisson-memory")
    }
}

/// The blocks of 512 bytes that a file has.
private func blocks(of file: Int32) -> Int {
    var status = stat()
    return fstat(file, &status) == 0 ? Int(status.st_blocks) : -1
}
