import TestSupport
import Testing

@testable import ImageStore

/// Makes OCI layouts and archives for `docker load`, sound or not.
struct OCILayoutBuilder {
    /// Paths and contents.
    private(set) var files: [(path: String, bytes: [UInt8])] = []
    var manifests: [String] = []

    init() { add("oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)) }

    mutating func add(_ path: String, _ bytes: [UInt8]) {
        files.removeAll { $0.path == path }
        files.append((path, bytes))
    }

    /// - Returns: a descriptor.
    mutating func addBlob(
        _ bytes: [UInt8], type: String, digest: String? = nil, size: Int? = nil, more: String = ""
    ) -> String {
        let real = SHA256.digest(of: bytes)
        add("blobs/sha256/\(ImageDigest(digest ?? "")?.hexadecimal ?? real.hexadecimal)", bytes)
        return #"{"mediaType":"\#(type)","digest":"\#(digest ?? "\(real)")","size":\#(size ?? bytes.count)\#(more)}"#
    }

    static func configuration(
        _ layers: [[UInt8]], execution: String = "{}", platform: String = #""architecture":"amd64","os":"linux""#
    ) -> [UInt8] {
        let digests = layers.map { #""\#(SHA256.digest(of: $0))""# }.joined(separator: ",")
        return Array(
            #"{\#(platform),"config":\#(execution),"rootfs":{"type":"layers","diff_ids":[\#(digests)]}}"#.utf8)
    }

    /// - Returns: the image's descriptor, which `finish` puts into the index.
    mutating func addImage(_ layers: [[UInt8]], configuration: [UInt8]? = nil, more: String = "") -> String {
        let descriptors = layers.map { addBlob($0, type: "application/vnd.oci.image.layer.v1.tar") }
        let config = addBlob(
            configuration ?? Self.configuration(layers), type: "application/vnd.oci.image.config.v1+json")
        return addManifest(config: config, layers: descriptors, more: more)
    }

    mutating func addManifest(config: String, layers: [String], more: String = "") -> String {
        let text = #"{"schemaVersion":2,"config":\#(config),"layers":[\#(layers.joined(separator: ","))]}"#
        return addBlob(Array(text.utf8), type: "application/vnd.oci.image.manifest.v1+json", more: more)
    }

    static func tag(_ name: String) -> String {
        #","annotations":{"org.opencontainers.image.ref.name":"\#(name)"}"#
    }

    /// Writes the index.
    mutating func finish(_ manifests: [String]) {
        add("index.json", Array(#"{"schemaVersion":2,"manifests":[\#(manifests.joined(separator: ","))]}"#.utf8))
    }

    var archive: [UInt8] {
        var archive = TarArchive()
        for file in files { archive.add(Array(file.path.utf8), data: file.bytes) }
        return archive.ended
    }

    func write(to folder: Folder) -> String {
        folder.folder("layout/blobs/sha256")
        for file in files { folder.file("layout/\(file.path)", file.bytes) }
        return "\(folder.path)/layout"
    }
}
