import Glibc
import GuestMemory
import Testing

/// In processes of their own, where nobody else maps memory meanwhile.
@Suite struct MappingTests {
    @Test func memoryIsGivenBackWithItsOwner() async {
        await #expect(processExitsWith: .success) {
            let before = try addressSpace()
            do {
                let memory = try GuestMemory(size: fourGibibytes)
                #expect(try addressSpace() >= before + fourGibibytes)
                try memory.store(1 as UInt8, at: 0)
            }
            #expect(try addressSpace() < before + mebibyte)
            do {
                let mapping = try Mapping(anonymous: gibibyte)
                #expect(mapping.size == Int(gibibyte))
                #expect(try addressSpace() >= before + gibibyte)
            }
            #expect(try addressSpace() < before + mebibyte)
        }
    }

    @Test func onlyTouchedPagesAreTaken() async {
        await #expect(processExitsWith: .success) {
            let memory = try GuestMemory(size: fourGibibytes)
            let before = try residentMemory()
            for page in 0..<256 as Range<UInt64> { try memory.store(1 as UInt8, at: GuestAddress(page * 2 * mebibyte)) }
            // Huge pages may be given where small ones were touched: never more than 2 MiB each.
            let taken = try residentMemory() - before
            #expect(taken >= 256 * 4096 && taken <= 513 * mebibyte)
        }
    }

    @Test func guestMemoryStaysOutOfCoreDumps() async {
        await #expect(processExitsWith: .success) {
            let memory = try GuestMemory(size: 64 * mebibyte)
            let base = String(UInt(bitPattern: try memory.hostPointer(0, 0)), radix: 16)
            let lines = try contents(of: "/proc/self/smaps").split(separator: "\n")
            let start = try #require(lines.firstIndex { $0.hasPrefix(base + "-") })
            let flags = try #require(lines[start...].first { $0.hasPrefix("VmFlags:") })
            #expect(flags.split(separator: " ").contains("dd"))
        }
    }

    /// The kernel makes one of two that touch, and then nobody can tell what either holds.
    @Test(arguments: [MemoryBacking.anonymous, .transparentHugePages]) func mappingsStayApart(
        backing: MemoryBacking
    ) throws {
        let mappings = try (0..<4).map { _ in try GuestMemory(size: 4 * mebibyte, backing: backing) }
        let maps = try contents(of: "/proc/self/maps").split(separator: "\n")
        for memory in mappings {
            let base = UInt(bitPattern: try memory.hostPointer(0, 0))
            let range = [base, base + UInt(4 * mebibyte)].map { String($0, radix: 16) }
            #expect(maps.contains { $0.hasPrefix("\(range[0])-\(range[1]) rw-p") })
            #expect(maps.contains { $0.hasPrefix("\(range[1])-") && $0.contains(" ---p") })
        }
    }

    @Test func aSharedMappingIsTheFile() throws {
        let file = try #require(tmpfile())
        defer { fclose(file) }
        try #require(ftruncate(fileno(file), 8192) == 0)
        let mapping = try Mapping(sharing: fileno(file), size: 8192)
        mapping.base.storeBytes(of: 0x2a, toByteOffset: 8191, as: UInt8.self)
        var byte: UInt8 = 0
        #expect(pread(fileno(file), &byte, 1, 8191) == 1 && byte == 0x2a)
    }

    @Test func whatCannotBeMappedIsSaid() {
        #expect(throws: GuestMemoryError.invalidSize(0)) { _ = try Mapping(anonymous: 0) }
        #expect(throws: GuestMemoryError.invalidSize(.max)) { _ = try Mapping(anonymous: .max) }
        #expect(throws: GuestMemoryError.cannotMap(size: 4096, errno: EBADF)) {
            _ = try Mapping(sharing: -1, size: 4096)
        }
        #expect(throws: GuestMemoryError.cannotMap(size: 0, errno: EINVAL)) { _ = try Mapping(sharing: 0, size: 0) }
    }
}

func contents(of path: String) throws -> String {
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = fread(&buffer, 1, buffer.count, file)
        if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
    }
}

// /proc/self/statm: sizes in pages of 4 KiB, of the address space and of what is resident.
private func statistics() throws -> [UInt64] {
    try contents(of: "/proc/self/statm").split(separator: " ").compactMap { UInt64($0) }.map { $0 * 4096 }
}

private func addressSpace() throws -> UInt64 { try #require(statistics().first) }

private func residentMemory() throws -> UInt64 { try #require(statistics().dropFirst().first) }
