import TestSupport
import Testing

@testable import Benchmark

@Suite struct RenderingTests {
    @Test(arguments: [
        (0, "0"), (1, "1"), (1.204, "1.2"), (1.206, "1.21"), (9.994, "9.99"), (9.996, "10"), (12.34, "12.3"),
        (99.96, "100"),
        (123.4, "123"), (999.6, "1000"), (15_032.4, "15032"), (0.5, "0.5"), (0.012345, "0.0123"), (0.99949, "0.999"),
        (0.99951, "1"), (1e-9, "0.000000001"), (1e-12, "< 1e-9"), (2.5e9, "2.5G"), (1e18, "1000P"), (.infinity, "∞"),
        (.nan, "–"),
        (-2.5, "-2.5"),
    ])
    func numbersAreShort(_ value: Double, _ text: String) {
        #expect(NumberText.short(value) == text)
    }

    @Test func everyFigureHasAText() {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<2000 {
            let value =
                Double.random(in: 1...10, using: &generator) * Self.power(.random(in: -12...17, using: &generator))
            let text = NumberText.short(value)
            #expect(text.count <= 16 && !text.isEmpty)
            guard let plain = Double(text) else { continue }
            #expect(abs(plain - value) <= value * 0.00501, "\(value) as \(text)")
        }
    }

    private static func power(_ exponent: Int) -> Double {
        (0..<abs(exponent)).reduce(1.0) { value, _ in exponent < 0 ? value / 10 : value * 10 }
    }

    @Test func anAxisIsLogarithmicForWideRanges() {
        let narrow = Scale(for: [2, 4, 8])
        #expect(!narrow.isLogarithmic)
        #expect(narrow.position(of: 0) == 0)
        #expect(narrow.position(of: 4) < narrow.position(of: 8))
        #expect(narrow.ticks.first == 0 && narrow.ticks.count <= 8)
        let wide = Scale(for: [3, 3000])
        #expect(wide.isLogarithmic)
        #expect(wide.ticks == [1, 10, 100, 1000, 10_000])
        for (exponent, tick) in wide.ticks.enumerated() {
            #expect(abs(wide.position(of: tick) - Double(exponent) / 4) < 1e-6)
        }
        // A zero has no place on a logarithmic axis.
        #expect(!Scale(for: [0, 1, 1000]).isLogarithmic)
    }

    @Test func everyFigureHasAPlace() {
        var generator = SeededGenerator(seed: 6)
        let edges = [0, 1e-12, 1, 1e18]
        for _ in 0..<500 {
            let values = (0..<3).map { _ in
                Bool.random(using: &generator)
                    ? edges.randomElement(using: &generator) ?? 0
                    : .random(in: 1...10, using: &generator) * Self.power(.random(in: -12...16, using: &generator))
            }
            let scale = Scale(for: values)
            #expect(scale.ticks.count <= 12 && !scale.ticks.isEmpty)
            for value in values { #expect((0...1).contains(scale.position(of: value))) }
        }
    }

    @Test func aPageStartsWithTheWarning() {
        let page = ReportPage(SampleReport.make(software: true), version: "9").html
        let body = page.split(separator: "<main>")[1].drop { $0 == "\n" }
        #expect(
            body.hasPrefix(
                "<p class=\"warning\">This host&#39;s KVM has no hardware virtualization: guest kernel code is emulated"
            ))
        #expect(!ReportPage(SampleReport.make(software: false), version: "9").html.contains("class=\"warning\""))
        #expect(!ReportPage(SampleReport.make(software: nil), version: "9").html.contains("class=\"warning\""))
    }

    @Test func aPageTellsAll() {
        let page = ReportPage(SampleReport.make(), version: "9.1").html
        for text in [
            "Caisson 9.1", "within the noise", "podman: not installed", "fsync in crun: no space", "Linux 6.18",
            "a note", "256 MiB",
            "processor 1", "7 rounds", "class=\"outlier\"", "logarithmic",
        ] { #expect(page.contains(text), "\(text)") }
        #expect(page.split(separator: "<svg ").count == 3)
        // Self-contained: nothing is fetched, nothing runs.
        for text in ["<script", "<link", "src=", "href=", "url(", "@import"] {
            #expect(!page.contains(text), "\(text)")
        }
    }

    @Test func whatOthersWroteIsTextOnAPage() {
        let word = "</title></style></text><script>alert('1')</script>\" onload=\"x & \u{1b}[2J\u{0}"
        let page = ReportPage(SampleReport.make(hostile: word), version: "9").html
        let plain = ReportPage(SampleReport.make(hostile: "x"), version: "9").html
        #expect(!page.contains("<script"))
        #expect(!page.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
        #expect(page.count { $0 == "<" } == plain.count { $0 == "<" })
        #expect(page.count { $0 == "\"" } == plain.count { $0 == "\"" })
        #expect(page.contains("&lt;script&gt;alert(&#39;1&#39;)"))
    }
}
