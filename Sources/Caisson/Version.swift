/// Caisson's version: semantic, in step for the library and its commands.
package enum Version {
    package static let current = "0.1.0"
}
