import TestSupport
import Testing

@testable import ImageStore

@Suite struct OCITests {
    let test = TestStore()

    private static func layer(_ files: (String, String)...) -> [UInt8] {
        var archive = TarArchive()
        for (path, contents) in files { archive.add(path, .file, contents) }
        return archive.ended
    }

    private static let layers = [
        layer(("a", "1"), ("d/x", "1"), ("d/y", "1")), layer(("d/.wh.x", ""), ("a", "2")), layer(("e/z", "3")),
    ]
    private static let execution = """
        {"User":"1000:50","Env":["PATH=/bin","A=b c"],"Entrypoint":["/bin/sh","-c"],"Cmd":["echo"],"WorkingDir":"/d"}
        """

    private func importLayout(
        _ builder: OCILayoutBuilder, tag: String? = nil
    ) throws -> ImageRecord {
        let source = builder.write(to: test.folder)
        return try test.store.importImage(ImageName("layout"), from: source, tag: tag)
    }

    @Test func layersAndConfigurationOfALayout() throws {
        var builder = OCILayoutBuilder()
        let configuration = OCILayoutBuilder.configuration(Self.layers, execution: Self.execution)
        builder.finish([builder.addImage(Self.layers, configuration: configuration)])
        let record = try importLayout(builder)
        #expect(record.configuration.entrypoint == ["/bin/sh", "-c"])
        #expect(record.configuration.command == ["echo"])
        #expect(record.configuration.environment == ["PATH=/bin", "A=b c"])
        #expect(record.configuration.user == "1000:50")
        #expect(record.configuration.workingDirectory == "/d")
        let files = try test.files(of: "layout")
        #expect(files.paths == ["", "a", "d", "d/y", "e", "e/z"])
        #expect(files["a"]?.data == Array("2".utf8))
        // The same in an archive.
        let archived = try test.importArchive(builder.archive, as: "archived")
        #expect(archived.digest == record.digest)
        #expect(archived.configuration == record.configuration)
    }

    @Test func anArchiveForDockerLoad() throws {
        var archive = TarArchive()
        let configuration = OCILayoutBuilder.configuration(Self.layers, execution: Self.execution)
        for (index, layer) in Self.layers.enumerated() { archive.add(Array("\(index)/layer.tar".utf8), data: layer) }
        // As docker save writes a layer that it wrote before.
        archive.add("again/layer.tar", .symbolicLink, target: "../1/layer.tar")
        archive.add(Array("c.json".utf8), data: configuration)
        archive.add(
            "manifest.json", .file,
            #"[{"Config":"c.json","RepoTags":["i:1"],"Layers":["0/layer.tar","again/layer.tar","2/layer.tar"]}]"#)
        let record = try test.importArchive(archive.ended)
        #expect(record.configuration.entrypoint == ["/bin/sh", "-c"])
        #expect(try test.files().paths == ["", "a", "d", "d/y", "e", "e/z"])
        #expect(try test.importArchive(archive.ended, tag: "i:1").digest == record.digest)
        #expect(test.complaint { try test.importArchive(archive.ended, tag: "i:2") }?.contains("'i:1'") == true)
    }

    @Test func aFileThatHasThatNameMakesNoDockerArchive() throws {
        var archive = TarArchive()
        archive.add("manifest.json", .file, #"{"name":"an application"}"#)
        try test.importArchive(archive.ended)
        #expect(try test.files().paths == ["", "manifest.json"])
    }

    @Test func oneOfSeveralImagesIsChosen() throws {
        var builder = OCILayoutBuilder()
        let one = builder.addImage([Self.layers[0]], more: OCILayoutBuilder.tag("one"))
        let arm = #","platform":{"architecture":"arm64","os":"linux"}"#
        let other = builder.addImage([Self.layers[2]], more: arm)
        let mine = builder.addImage(
            [Self.layers[2]], more: #","platform":{"architecture":"amd64","os":"linux"}"#)
        let index = Array(#"{"manifests":[\#(other),\#(mine)]}"#.utf8)
        let several = builder.addBlob(
            index, type: "application/vnd.oci.image.index.v1+json", more: OCILayoutBuilder.tag("several"))
        builder.finish([one, several])
        #expect(
            test.complaint { _ = try importLayout(builder) }?.contains("choose one by --tag. It has 'one', 'several'")
                == true)
        #expect(
            test.complaint { _ = try importLayout(builder, tag: "two") }?.contains("it has 'one', 'several'") == true)
        _ = try importLayout(builder, tag: "one")
        #expect(try test.files(of: "layout").paths == ["", "a", "d", "d/x", "d/y"])
        _ = try importLayout(builder, tag: "several")
        #expect(try test.files(of: "layout").paths == ["", "e", "e/z"])
        builder.finish([other])
        #expect(test.complaint { _ = try importLayout(builder) }?.contains("no image for linux/amd64") == true)
    }

    /// What can be wrong with a layout, and what is said of it.
    static let damages: [(String, @Sendable (inout OCILayoutBuilder) -> [String], String)] = {
        let digest = "sha256:" + String(repeating: "0", count: 64)
        let type = "application/vnd.oci.image.layer.v1.tar"
        let config = "application/vnd.oci.image.config.v1+json"
        @Sendable func image(
            _ builder: inout OCILayoutBuilder, layer: String, configuration: [UInt8]? = nil, configDigest: String? = nil
        ) -> [String] {
            let configuration = builder.addBlob(
                configuration ?? OCILayoutBuilder.configuration([layers[0]]), type: config, digest: configDigest)
            return [builder.addManifest(config: configuration, layers: [layer])]
        }
        return [
            (
                "a layer with another digest",
                { builder in image(&builder, layer: builder.addBlob(layers[0], type: type, digest: digest)) },
                "is damaged: its digest is sha256:"
            ),
            (
                "a layer of another size",
                { builder in image(&builder, layer: builder.addBlob(layers[0], type: type, size: 5)) },
                "bytes in place of 5"
            ),
            (
                "a layer whose content is another",
                { builder in image(&builder, layer: builder.addBlob(layers[1], type: type)) },
                "its content's digest is"
            ),
            (
                "a configuration with another digest",
                { builder in
                    image(&builder, layer: builder.addBlob(layers[0], type: type), configDigest: digest)
                }, "is damaged: its digest is sha256:"
            ),
            (
                "a layer that is not there",
                { builder in image(&builder, layer: #"{"digest":"\#(digest)","size":1}"#) }, "it has no layer"
            ),
            (
                "a digest that is a path",
                { builder in image(&builder, layer: #"{"digest":"sha256:../../../etc/passwd","size":1}"#) },
                "is no SHA-256"
            ),
            (
                "another number of layers",
                { builder in
                    image(
                        &builder, layer: builder.addBlob(layers[0], type: type),
                        configuration: OCILayoutBuilder.configuration([layers[0], layers[1]]))
                }, "its manifest has 1 layers, its configuration 2"
            ),
            (
                "another system",
                { builder in
                    image(
                        &builder, layer: builder.addBlob(layers[0], type: type),
                        configuration: OCILayoutBuilder.configuration(
                            [layers[0]], platform: #""architecture":"arm64","os":"linux""#))
                }, "not for linux/amd64"
            ),
            (
                "a configuration that is no JSON",
                { builder in
                    image(&builder, layer: builder.addBlob(layers[0], type: type), configuration: Array("{".utf8))
                }, "its configuration cannot be read"
            ),
            (
                "a layer that climbs",
                { builder in
                    let layer = layer(("../x", ""))
                    return image(
                        &builder, layer: builder.addBlob(layer, type: type),
                        configuration: OCILayoutBuilder.configuration([layer]))
                }, "climbs"
            ),
            ("nothing", { _ in [] }, "it has no image"),
            (
                "a configuration of more bytes than a record may have",
                { builder in
                    let value = String(repeating: "x", count: 1 << 20)
                    return image(
                        &builder, layer: builder.addBlob(layers[0], type: type),
                        configuration: OCILayoutBuilder.configuration(
                            [layers[0]], execution: #"{"Env":["A=\#(value)"]}"#))
                }, "too many to be sound"
            ),
            (
                "a platform that would write to the terminal",
                { builder in
                    image(
                        &builder, layer: builder.addBlob(layers[0], type: type),
                        configuration: OCILayoutBuilder.configuration(
                            [layers[0]], platform: #""architecture":"\u001b[2J\n\u009b","os":"linux""#))
                }, #"it is for linux/\x1b[2J\x0a\x9b, not for"#
            ),
        ]
    }()

    @Test(arguments: damages.indices)
    func damaged(_ index: Int) throws {
        let (what, make, reason) = Self.damages[index]
        var builder = OCILayoutBuilder()
        builder.finish(make(&builder))
        let complaints = [
            test.complaint { _ = try importLayout(builder) },
            test.complaint { try test.importArchive(builder.archive) },
        ]
        for complaint in complaints { #expect(complaint?.contains(reason) == true, "\(what): \(complaint ?? "taken")") }
        #expect(test.litter == [])
    }

    @Test func anIndexThatLeadsToItselfForever() throws {
        var builder = OCILayoutBuilder()
        var descriptor = builder.addImage([Self.layers[0]])
        for _ in 0..<8 {
            descriptor = builder.addBlob(
                Array(#"{"manifests":[\#(descriptor)]}"#.utf8), type: "application/vnd.oci.image.index.v1+json")
        }
        builder.finish([descriptor])
        #expect(test.complaint { _ = try importLayout(builder) }?.contains("ever more indexes") == true)
    }

    /// What tools of the containers' world write, of a tree with all that layers can do.
    @Test func imagesOfUmociAndSkopeo() throws {
        let script = """
            set -e
            cd "$0"
            umoci init --layout oci
            umoci new --image oci:base
            umoci unpack $1 --image oci:base bundle
            root=bundle/rootfs
            mkdir -p $root/etc/d $root/gone $root/kept
            echo a >$root/etc/a; echo b >$root/etc/d/b; echo c >$root/gone/c; echo k >$root/kept/k
            ln $root/etc/a $root/etc/hard; ln -s a $root/etc/soft; mkfifo $root/pipe
            umoci repack --image oci:one bundle
            rm -rf bundle
            umoci unpack $1 --image oci:one bundle
            rm -r $root/gone $root/etc/d
            mkdir $root/etc/d; echo n >$root/etc/d/n
            chmod 4711 $root/etc/a
            umoci repack --image oci:two bundle
            umoci config --image oci:two --config.entrypoint /bin/sh --config.cmd x --config.env A=b \\
                --config.user 5:6 --config.workingdir /etc
            skopeo --insecure-policy copy -q oci:oci:two docker-archive:docker.tar:two:latest
            tar -cf oci.tar -C oci .
            """
        // Without root, files of others are umoci's to remember.
        let made = Child.run(
            "/bin/sh", ["-c", script, test.folder.path, HostProcessUser.isRoot ? "" : "--rootless"],
            environment: ["PATH": "/usr/bin:/bin", "HOME": test.folder.path, "TMPDIR": test.folder.path])
        try #require(made.status == 0, "\(made.errors)")
        let path = test.folder.path
        let record = try test.store.importImage(ImageName("layout"), from: "\(path)/oci", tag: "two")
        var configuration = ImageConfiguration()
        configuration.entrypoint = ["/bin/sh"]
        configuration.command = ["x"]
        configuration.environment = ["A=b"]
        configuration.user = "5:6"
        configuration.workingDirectory = "/etc"
        #expect(record.configuration == configuration)
        let files = try test.files(of: "layout")
        #expect(
            files.paths == [
                "", "etc", "etc/a", "etc/d", "etc/d/n", "etc/hard", "etc/soft", "kept", "kept/k", "pipe",
            ])
        #expect(files["etc/a"] == files["etc/hard"])
        #expect(files["etc/a"]?.mode == 0o104711)
        for source in ["oci.tar", "docker.tar"] {
            let other = try test.store.importImage(
                ImageName("other"), from: "\(path)/\(source)", tag: source == "oci.tar" ? "two" : nil)
            #expect(other.digest == record.digest, "\(source)")
            #expect(other.configuration == configuration)
        }
    }
}
