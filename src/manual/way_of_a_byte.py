"""Draws the picture of the README: python3 src/manual/way_of_a_byte.py > src/manual/way_of_a_byte.svg"""

WIDTH, HEIGHT = 760, 250
STYLE = '''
  text { font: 14px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
  .small { font-size: 12px; fill: #59636e }
  .box { fill: #f6f8fa; stroke: #8c959f }
  .kernel { fill: none; stroke: #8c959f; stroke-dasharray: 5 4 }
  .bytes { fill: none; stroke: #0969da; stroke-width: 5 }
  .head { fill: #0969da }
  .word { fill: none; stroke: #59636e; stroke-dasharray: 2 4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 }
    .box { fill: #161b22; stroke: #6e7681 } .kernel { stroke: #6e7681 }
    .bytes { stroke: #4493f8 } .head { fill: #4493f8 } .word { stroke: #9198a1 }
  }
'''


def box(x, y, width, height, *lines):
    yield f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
    first = y + height / 2 + 5 - 9 * (len(lines) - 1)
    for at, line in enumerate(lines):
        kind = ' class="small"' if at else ''
        yield f'<text{kind} x="{x + width / 2:g}" y="{first + 18 * at:g}">{line}</text>'


def bytes_go(x, to, y):
    yield f'<path class="bytes" d="M{x} {y}H{to - 12}"/>'
    yield f'<path class="head" d="M{to - 14} {y - 9}L{to} {y}L{to - 14} {y + 9}Z"/>'


def picture():
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
           'aria-label="The way of a byte">')
    yield f'<style>{STYLE}</style>'
    yield from box(300, 14, 160, 56, 'Gantline', 'sees no byte of it')
    yield '<rect class="kernel" x="180" y="104" width="400" height="130" rx="8"/>'
    yield '<text class="small" x="380" y="224">the kernel</text>'
    yield from box(14, 130, 130, 66, 'Girder', 'or any HTTP server')
    yield from box(200, 130, 130, 66, 'socket', 'receive buffer')
    yield from box(430, 130, 130, 66, 'named pipe', '1 MiB')
    yield from box(616, 130, 130, 66, 'the program', 'in its container')
    yield from bytes_go(144, 200, 163)
    yield from bytes_go(330, 430, 163)
    yield from bytes_go(560, 616, 163)
    yield '<path class="word" d="M380 70V152"/>'
    yield '<text class="small" x="380" y="190">splice</text>'
    yield '</svg>'


print('\n'.join(picture()))
