/// Reads an EROFS file system without compression, by the format's description.
struct ErofsReader {
    struct File: Equatable {
        var mode: UInt16
        var user: UInt32
        var group: UInt32
        var seconds: Int64
        var nanoseconds: UInt32
        var linkCount: UInt32
        var number: UInt64
        /// A file's bytes, or a symbolic link's target.
        var data: [UInt8] = []
        var device: UInt32 = 0
        var attributes: [[UInt8]: [UInt8]] = [:]

        var isDirectory: Bool { mode & 0o170000 == 0o040000 }
    }

    enum Damage: Error {
        case noSuperblock
        case outside(UInt64)
        case directory(String)
    }

    private let image: [UInt8]

    /// Every path, without a slash at its beginning; the root's is empty.
    private(set) var files: [[UInt8]: File] = [:]

    init(_ image: [UInt8]) throws {
        self.image = image
        guard try number(at: 1024, UInt32.self) == 0xe0f5_e1e2, image[1036] == 12, image.count % 4096 == 0,
            try number(at: 1060, UInt32.self) == image.count / 4096
        else { throw Damage.noSuperblock }
        let root = UInt64(try number(at: 1038, UInt16.self))
        try read(root, at: [], parent: root)
        guard try number(at: 1040, UInt64.self) == Set(files.values.map(\.number)).count else {
            throw Damage.noSuperblock
        }
    }

    private func bytes(_ count: Int, at offset: UInt64) throws -> ArraySlice<UInt8> {
        guard offset <= image.count, count <= image.count - Int(offset) else { throw Damage.outside(offset) }
        return image[Int(offset)..<(Int(offset) + count)]
    }

    private func number<Number: FixedWidthInteger>(at offset: UInt64, _: Number.Type) throws -> Number {
        var number: Number = 0
        for byte in try bytes(MemoryLayout<Number>.size, at: offset).reversed() { number = number << 8 | Number(byte) }
        return number
    }

    private mutating func read(_ inode: UInt64, at path: [UInt8], parent: UInt64) throws {
        let place = inode * 32
        let format = try number(at: place, UInt16.self)
        guard format & 1 == 1, format >> 1 == 0 || format >> 1 == 2 else { throw Damage.outside(place) }
        let attributeCount = UInt64(try number(at: place + 2, UInt16.self))
        let attributeSize = attributeCount == 0 ? 0 : 12 + (attributeCount - 1) * 4
        let size = try number(at: place + 8, UInt64.self)
        let block = UInt64(try number(at: place + 16, UInt32.self))
        var file = File(
            mode: try number(at: place + 4, UInt16.self), user: try number(at: place + 24, UInt32.self),
            group: try number(at: place + 28, UInt32.self), seconds: try number(at: place + 32, Int64.self),
            nanoseconds: try number(at: place + 40, UInt32.self), linkCount: try number(at: place + 44, UInt32.self),
            number: inode)
        file.attributes = try attributes(at: place + 64, size: attributeSize)
        switch file.mode & 0o170000 {
        case 0o020000, 0o060000: file.device = UInt32(block)
        default:
            let tail = format >> 1 == 2 ? size % 4096 : 0
            let inline = place + 64 + attributeSize
            guard tail == 0 || inline / 4096 == (inline + tail - 1) / 4096 else { throw Damage.outside(inline) }
            if size > tail { file.data += try bytes(Int(size - tail), at: block * 4096) }
            file.data += try bytes(Int(tail), at: inline)
        }
        let data = file.data
        if file.isDirectory { file.data = [] }
        files[path] = file
        if file.isDirectory { try readDirectory(data, inode, at: path, parent: parent) }
    }

    private func attributes(at start: UInt64, size: UInt64) throws -> [[UInt8]: [UInt8]] {
        var attributes: [[UInt8]: [UInt8]] = [:]
        var place = start + 12
        let prefixes: [UInt8: String] = [
            1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.", 6: "security.",
        ]
        while place < start + size {
            let nameCount = Int(try bytes(1, at: place)[Int(place)])
            let prefix = prefixes[try bytes(1, at: place + 1)[Int(place) + 1]] ?? "?"
            let valueCount = Int(try number(at: place + 2, UInt16.self))
            let name = try bytes(nameCount, at: place + 4)
            attributes[Array(prefix.utf8) + name] = Array(try bytes(valueCount, at: place + 4 + UInt64(nameCount)))
            place += UInt64((4 + nameCount + valueCount + 3) / 4 * 4)
        }
        return attributes
    }

    private mutating func readDirectory(_ data: [UInt8], _ inode: UInt64, at path: [UInt8], parent: UInt64) throws {
        var last: [UInt8]?
        for start in stride(from: 0, to: data.count, by: 4096) {
            let block = Array(data[start..<min(start + 4096, data.count)])
            func number(_ offset: Int, _ count: Int) -> UInt64 {
                var number: UInt64 = 0
                for byte in block[offset..<offset + count].reversed() { number = number << 8 | UInt64(byte) }
                return number
            }
            let count = Int(number(8, 2)) / 12
            for index in 0..<count {
                let child = number(index * 12, 8)
                let nameStart = Int(number(index * 12 + 8, 2))
                let nameEnd = index + 1 < count ? Int(number(index * 12 + 20, 2)) : block.count
                let name = Array(block[nameStart..<nameEnd].prefix { $0 != 0 })
                if let last, !last.lexicographicallyPrecedes(name) { throw Damage.directory("names are out of order") }
                last = name
                if name == Array(".".utf8) || name == Array("..".utf8) {
                    guard child == (name.count == 1 ? inode : parent) else { throw Damage.directory("wrong dots") }
                    continue
                }
                let childPath = path.isEmpty ? name : path + [0x2f] + name
                try read(child, at: childPath, parent: inode)
                let types: [UInt16: UInt8] = [
                    0o100000: 1, 0o040000: 2, 0o020000: 3, 0o060000: 4, 0o010000: 5, 0o120000: 7,
                ]
                guard types[(files[childPath]?.mode ?? 0) & 0o170000] == block[index * 12 + 10] else {
                    throw Damage.directory("wrong type")
                }
            }
        }
    }

    /// By a path in text.
    subscript(_ path: String) -> File? { files[Array(path.utf8)] }

    var paths: [String] { files.keys.map { String(decoding: $0, as: UTF8.self) }.sorted() }
}
