/// How a guest learns of its devices.
public enum HardwareDescriptionMethod: String, Sendable, CaseIterable {
    /// By ACPI, unless the kernel is told `acpi=off`.
    case automatic = "auto"
    /// By ACPI tables, which every distribution's kernel reads; with a power button.
    case acpi
    /// By a flattened device tree, for Linux with `CONFIG_OF`. There is no power button.
    case deviceTree = "fdt"
    /// By words on Linux's command line and an MP table: for kernels without ACPI. There is no power button.
    case commandLine = "cmdline"
}
