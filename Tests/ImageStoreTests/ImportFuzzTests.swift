import TestSupport
import Testing

@testable import ImageStore

/// Sound archives, damaged thousands of times: each is refused with an error, or becomes an image that is sound. A trap ends the
/// tests.
@Suite struct ImportFuzzTests {
    static let seeds: [(String, [UInt8])] = {
        var files = TarArchive()
        files.add("d", .directory, mode: 0o755)
        files.add(Array("d/f".utf8), data: Array("hello".utf8), extended: [("SCHILY.xattr.user.x", [1, 2, 3])])
        files.add("d/h", .hardLink, target: "d/f")
        files.add("l", .symbolicLink, target: "d")
        files.add("l/g", .file, String(repeating: "x", count: 5000))
        files.add(Array("n".utf8), .characterDevice, device: (1, 3))
        var layer = TarArchive()
        layer.add("d/.wh.f", .file)
        layer.add("e/.wh..wh..opq", .file)
        var builder = OCILayoutBuilder()
        builder.finish([builder.addImage([files.ended, layer.ended])])
        var docker = TarArchive()
        docker.add(Array("0.tar".utf8), data: files.ended)
        docker.add(Array("c.json".utf8), data: OCILayoutBuilder.configuration([files.ended]))
        docker.add("manifest.json", .file, #"[{"Config":"c.json","Layers":["0.tar"]}]"#)
        return [("files", files.ended), ("layout", builder.archive), ("docker", docker.ended)]
    }()

    private static let rounds = 500

    private func damage(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let offset = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[offset] = UInt8.random(in: .min ... .max, using: &random)
            case 2: bytes[offset] = Array("/.0179\u{0}wh".utf8).randomElement(using: &random) ?? 0
            case 3: bytes.removeLast(Int.random(in: 0...bytes.count / 2, using: &random))
            case 4:
                // An archive's block in another's place.
                let from = Int.random(in: 0..<max(1, bytes.count / 512), using: &random) * 512
                let to = offset / 512 * 512
                guard from + 512 <= bytes.count, to + 512 <= bytes.count else { break }
                bytes.replaceSubrange(to..<to + 512, with: bytes[from..<from + 512])
            default:
                // A header's number, and its sum made right again.
                let start = offset / 512 * 512
                guard start + 512 <= bytes.count else { break }
                let field = [100, 108, 116, 124, 136, 156, 329, 337].randomElement(using: &random) ?? 124
                bytes[start + field] = Array("01234567\u{80}\u{ff}".utf8).randomElement(using: &random) ?? 0
                var sum = 0
                for index in 0..<512 { sum += (148..<156).contains(index) ? 0x20 : Int(bytes[start + index]) }
                let text = String(sum, radix: 8)
                let digits = Array((String(repeating: "0", count: max(0, 6 - text.count)) + text).utf8) + [0, 0x20]
                bytes.replaceSubrange(start + 148..<start + 156, with: digits)
            }
            if bytes.isEmpty { return }
        }
    }

    @Test(arguments: seeds.indices)
    func damagedArchives(_ index: Int) throws {
        let test = TestStore()
        var random = SeededGenerator(seed: UInt64(index))
        var limits = ImportLimits()
        limits.fileBytes = 1 << 20
        limits.entries = 1000
        var imported = 0
        for round in 0..<Self.rounds {
            var bytes = Self.seeds[index].1
            if round > 0 { damage(&bytes, &random) }
            let source = test.folder.file("source.tar", bytes)
            do {
                _ = try test.store.importImage(ImageName("image"), from: source, limits: limits)
            } catch {
                continue
            }
            imported += 1
            _ = try test.files()
        }
        #expect(imported > 0)
        #expect(imported < Self.rounds)
        #expect(test.litter.count == 2)
    }
}
