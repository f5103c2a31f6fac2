import HostIO
import TestSupport
import Testing

@testable import ImageStore

@Suite struct FileTreeTests {
    private static func entry(_ path: String, _ kind: FileEntry.Kind) -> LayerEntry {
        LayerEntry(
            path: EntryPath(path.split(separator: "/").map { FileName(String($0)) }),
            content: .file(FileEntry(kind: kind)))
    }

    /// Files differ by where their bytes are.
    private static func file(_ path: String, _ number: UInt64 = 0) -> LayerEntry {
        entry(path, .regular(Extent(offset: number, count: 1)))
    }

    private static func directory(_ path: String) -> LayerEntry { entry(path, .directory) }

    private static func link(_ path: String, to target: String) -> LayerEntry {
        entry(path, .symbolicLink(Array(target.utf8)))
    }

    private static func hardLink(_ path: String, to target: String) -> LayerEntry {
        var entry = file(path)
        entry.content = .hardLink(EntryPath(target.split(separator: "/").map { FileName(String($0)) }))
        return entry
    }

    /// Each path, and what it is: a directory, a link, or the number of a file's bytes.
    private static func contents(_ tree: FileTree) throws -> [String: String] {
        var result: [String: String] = [:]
        var directories = [FileTree.root: ""]
        for visit in try tree.visits() where visit.inode != FileTree.root {
            let text = (directories[visit.parent] ?? "?/") + "\(visit.name)"
            directories[visit.inode] = text + "/"
            switch tree[visit.inode].kind {
            case .directory: result[text] = "/"
            case .regular(let extent): result[text] = "\(extent.offset)"
            case .symbolicLink(let target): result[text] = "-> " + String(decoding: target, as: UTF8.self)
            default: result[text] = "?"
            }
        }
        return result
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var layers: [[LayerEntry]]
        var expected: [String: String]
    }

    static let cases: [Case] = [
        Case(
            testDescription: "later entries win", layers: [[file("a", 1), file("a", 2)], [file("b", 3)]],
            expected: ["a": "2", "b": "3"]),
        Case(
            testDescription: "directories that nobody made", layers: [[file("a/b/c", 1)]],
            expected: ["a": "/", "a/b": "/", "a/b/c": "1"]),
        Case(
            testDescription: "a whiteout hides a file",
            layers: [[file("d/a", 1), file("d/b", 2)], [file("d/.wh.a")]], expected: ["d": "/", "d/b": "2"]),
        Case(
            testDescription: "a whiteout hides a directory with all in it",
            layers: [[file("d/e/a", 1)], [file("d/.wh.e")]], expected: ["d": "/"]),
        Case(
            testDescription: "a whiteout hides nothing of its own layer, wherever it stands",
            layers: [[file("d/a", 1)], [file("d/a", 2), file("d/.wh.a")]], expected: ["d": "/", "d/a": "2"]),
        Case(
            testDescription: "an opaque directory hides what came before, and nothing of its own layer",
            layers: [[file("d/a", 1), file("d/b", 1)], [file("d/b", 2), file("d/.wh..wh..opq"), file("d/c", 2)]],
            expected: ["d": "/", "d/b": "2", "d/c": "2"]),
        Case(
            testDescription: "whiteouts of what is not there",
            layers: [[file(".wh.a"), file("x/y/.wh.b")], [file("c", 1)]],
            expected: ["c": "1"]),
        Case(
            testDescription: "names that only AUFS knows",
            layers: [[file("a", 1)], [file(".wh..wh.plnk"), file(".wh.")]],
            expected: ["a": "1"]),
        Case(
            testDescription: "a file in place of a directory", layers: [[file("d/a", 1)], [file("d", 2)]],
            expected: ["d": "2"]),
        Case(
            testDescription: "a directory in place of a file",
            layers: [[file("d", 1)], [directory("d"), file("d/a", 2)]],
            expected: ["d": "/", "d/a": "2"]),
        Case(
            testDescription: "a directory keeps what is in it", layers: [[file("d/a", 1)], [directory("d")]],
            expected: ["d": "/", "d/a": "1"]),
        Case(
            testDescription: "links on the way are followed",
            layers: [[directory("usr/lib"), link("lib", to: "usr/lib")], [file("lib/a", 1), file("lib/.wh.b")]],
            expected: ["usr": "/", "usr/lib": "/", "usr/lib/a": "1", "lib": "-> usr/lib"]),
        Case(
            testDescription: "links that climb end at the root",
            layers: [[directory("d"), link("d/up", to: "../../../../e"), file("d/up/a", 1)]],
            expected: ["d": "/", "d/up": "-> ../../../../e", "e": "/", "e/a": "1"]),
        Case(
            testDescription: "absolute links begin at the root",
            layers: [[directory("e"), link("d/l", to: "/e"), file("d/l/a", 1)]],
            expected: ["d": "/", "d/l": "-> /e", "e": "/", "e/a": "1"]),
        Case(
            testDescription: "a link itself is replaced",
            layers: [[file("f", 1), link("l", to: "f")], [file("l", 2)]],
            expected: ["f": "1", "l": "2"]),
        Case(
            testDescription: "a hard link to another layer's file keeps its bytes",
            layers: [[file("a", 1)], [hardLink("b", to: "a")], [file("a", 2)]], expected: ["a": "2", "b": "1"]),
        Case(
            testDescription: "a hard link survives its target",
            layers: [[file("a", 1), hardLink("b", to: "a")], [file(".wh.a")]], expected: ["b": "1"]),
        Case(
            testDescription: "a hard link to itself", layers: [[file("a", 1), hardLink("a", to: "a")]],
            expected: ["a": "1"]),
        Case(
            testDescription: "a hard link to a symbolic link",
            layers: [[link("l", to: "x"), hardLink("m", to: "l")]], expected: ["l": "-> x", "m": "-> x"]),
    ]

    @Test(arguments: cases)
    func layers(_ test: Case) throws {
        var tree = FileTree()
        for layer in test.layers { try tree.apply(layer: layer) }
        #expect(try Self.contents(tree) == test.expected)
    }

    static let refusals: [(String, [LayerEntry], String)] = [
        ("below a file", [file("a", 1), file("a/b", 2)], "no directory"),
        ("a loop", [link("a", to: "b"), link("b", to: "a"), file("a/x")], "loop"),
        ("a link to itself", [link("a", to: "a"), file("a/x")], "loop"),
        ("a hard link to nothing", [hardLink("b", to: "a")], "no file that came before"),
        ("a hard link to a directory", [directory("a"), hardLink("b", to: "a")], "no file that came before"),
        ("a root that is a file", [file("")], "root is no directory"),
    ]

    @Test(arguments: refusals)
    func refused(what: String, entries: [LayerEntry], reason: String) {
        var tree = FileTree()
        let error = #expect(throws: FileTreeError.self) { try tree.apply(archive: entries) }
        #expect(error.map { "\($0)" }?.contains(reason) == true)
    }

    @Test func linksCannotMakePathsWithoutEnd() throws {
        // Each round doubles how deep the link leads.
        var tree = FileTree()
        let deep = String(repeating: "\(String(repeating: "n", count: 250))/", count: 15)
        var entries = [Self.directory(deep)]
        entries.append(Self.link("l", to: deep))
        entries.append(Self.directory("l/" + deep))
        try tree.apply(archive: entries)
        #expect(throws: FileTreeError.self) { try tree.visits() }
    }

    // MARK: Against a model

    /// A dictionary of paths, to which a layer does what the specification says in the plainest way. Without links.
    private struct Model {
        var files: [String: String] = [:]

        /// - Returns: false for a layer that puts something below a file.
        mutating func apply(_ layer: [(path: [String], contents: String)]) -> Bool {
            for (path, _) in layer where isWhiteout(path) {
                let parent = path.dropLast().joined(separator: "/")
                if path.last == ".wh..wh..opq" {
                    files = files.filter { !$0.key.hasPrefix(parent + "/") }
                } else {
                    remove((path.dropLast() + [String(path[path.count - 1].dropFirst(4))]).joined(separator: "/"))
                }
            }
            for (path, contents) in layer where !isWhiteout(path) {
                for count in 1..<path.count {
                    let parent = path[..<count].joined(separator: "/")
                    guard files[parent, default: "/"] == "/" else { return false }
                    files[parent] = "/"
                }
                let name = path.joined(separator: "/")
                if contents != "/" || files[name] != "/" { remove(name) }
                files[name] = contents
            }
            return true
        }

        private func isWhiteout(_ path: [String]) -> Bool { path[path.count - 1].hasPrefix(".wh.") }

        private mutating func remove(_ path: String) {
            files = files.filter { $0.key != path && !$0.key.hasPrefix(path + "/") }
        }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func layersMatchAModel(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var model = Model()
        var tree = FileTree()
        var number: UInt64 = 0
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            var layer: [(path: [String], contents: String)] = []
            for _ in 0..<Int.random(in: 1...10, using: &random) {
                var path = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                    ["a", "b", "c"].randomElement(using: &random) ?? "a"
                }
                number += 1
                var contents = "\(number)"
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<2: path[path.count - 1] = ".wh." + path[path.count - 1]
                case 2: path.append(".wh..wh..opq")
                case 3..<7: contents = "/"
                default: break
                }
                layer.append((path, contents))
            }
            let entries = layer.map { path, contents in
                UInt64(contents).map { Self.file(path.joined(separator: "/"), $0) }
                    ?? Self.directory(path.joined(separator: "/"))
            }
            var nextTree = tree
            var nextModel = model
            let isSound = nextModel.apply(layer)
            if isSound {
                try nextTree.apply(layer: entries)
                (tree, model) = (nextTree, nextModel)
            } else {
                #expect(throws: FileTreeError.self) { try nextTree.apply(layer: entries) }
            }
            #expect(try Self.contents(tree) == model.files)
        }
    }

    @Test func orderOfArchivesLeavesNoTrace() throws {
        var random = SeededGenerator(seed: 1)
        let entries = (0..<200).map { Self.file("d\($0 % 7)/f\($0)", UInt64($0)) }
        var first = FileTree()
        try first.apply(archive: entries)
        var second = FileTree()
        try second.apply(archive: entries.shuffled(using: &random))
        #expect(try first.visits().map(\.name) == second.visits().map(\.name))
    }
}
