import GuestMemory
import TestSupport
import Testing
import Virtio

@testable import Caisson

/// A shared directory behind a queue: data go between files and the guest's buffers, wherever those are.
struct SharedFilesTests {
    private let folder = Folder()
    private let memory: GuestMemory
    private let state: VirtqueueState

    init() throws {
        memory = try GuestMemory(size: 1 << 20)
        state = VirtqueueState(
            size: 64, descriptorTable: 0x1_0000, availableRing: 0x1_4000, usedRing: 0x1_8000)
    }

    private func halves(_ numbers: UInt32...) -> [UInt8] {
        numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
    }

    /// A FUSE request in pieces of the sizes of `cuts`, with an answer in pieces of 100 bytes.
    private func serve(
        _ files: SharedFiles, _ operation: UInt32, node: UInt32, _ body: [UInt8], room: Int, cuts: [Int]
    ) throws -> [UInt8] {
        var queue = try Virtqueue(state, memory: memory)
        var driver = DriverModel(memory: memory, state: state, indirectTables: 0x2_0000)
        var generator = SeededGenerator(seed: 3)
        let bytes = halves(UInt32(40 + body.count), operation, 9, 0, node, 0, 0, 0, 0, 0) + body
        var buffers: [DriverModel.Buffer] = []
        var (done, place) = (0, 0x8_0000 as UInt64)
        for cut in cuts + [bytes.count] where done < bytes.count {
            let piece = bytes[done..<min(done + cut, bytes.count)]
            for (index, byte) in piece.enumerated() { try memory.store(byte, at: GuestAddress(place + UInt64(index))) }
            buffers.append(.init(address: GuestAddress(place), length: UInt32(piece.count), isWritable: false))
            done += piece.count
            place += 0x1000
        }
        var pieces: [(UInt64, Int)] = []
        var left = room + 16
        while left > 0 {
            let count = min(left, 100)
            pieces.append((place, count))
            buffers.append(.init(address: GuestAddress(place), length: UInt32(count), isWritable: true))
            left -= count
            place += 0x1000
        }
        _ = try driver.add(buffers, using: &generator)
        _ = try driver.publish()
        try queue.beginBatch()
        let popped = try queue.pop()
        guard let request = popped else { throw NoRequest() }
        let written = files.serve(request) ?? 0
        queue.complete(request, written: written)
        var answer: [UInt8] = []
        for (place, count) in pieces {
            for index in 0..<count { answer.append(try memory.load(at: GuestAddress(place + UInt64(index)))) }
        }
        return Array(answer[..<Int(written)])
    }

    private struct NoRequest: Error {}

    private func files(readOnly: Bool = false) throws -> SharedFiles {
        try SharedFiles(SharedDirectory(path: .init(folder.path), readOnly: readOnly), shareCount: 1)
    }

    @Test(arguments: [[], [40], [1, 39, 1, 39, 1, 1], [79, 1], [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]])
    func `requests may lie in any pieces`(cuts: [Int]) throws {
        let files = try files()
        _ = try serve(files, 26, node: 0, halves(7, 38, 0, 0), room: 64, cuts: cuts)
        let made = try serve(
            files, 35, node: 1, halves(0o102, 0o644, 0, 0) + Array("f\0".utf8), room: 144, cuts: cuts)
        #expect(made.count == 160)
        let handle = Array(made[144..<152])
        let data = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
        let place = handle + halves(5, 0)
        let written = try serve(
            files, 16, node: 2, place + halves(300, 0, 0, 0, 0, 0) + data, room: 8, cuts: cuts)
        #expect(Array(written[4..<8]) == [0, 0, 0, 0])
        #expect(Array(written[16..<20]) == halves(300))
        let read = try serve(
            files, 15, node: 2, handle + halves(0, 0, 1000, 0, 0, 0, 0, 0), room: 1000, cuts: cuts)
        #expect(Array(read[..<4]) == halves(16 + 305))
        #expect(Array(read[16...]) == [0, 0, 0, 0, 0] + data)
        files.reset()
    }

    @Test func `what is no directory is not shared`() throws {
        let file = folder.file("f")
        for path in [file, "\(folder.path)/none"] {
            #expect(throws: VirtualMachineError.self) {
                try SharedFiles(SharedDirectory(path: .init(path)), shareCount: 1)
            }
        }
    }
}
